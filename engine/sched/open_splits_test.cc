#include "sched/open_splits.h"

#include <gtest/gtest.h>

namespace headrace::sched {
namespace {

TaskRef task(TaskNumber number) { return {.step = 7, .task = number, .node = 0}; }

TEST(OpenSplits, InputsAreInBranchOrderWhateverTheOrderOfArrival) {
  OpenSplits splits;
  const SplitId id = splits.open({.step = 1, .outer = {}, .width = 3, .indexed = true});
  EXPECT_FALSE(splits.arrive({.split = id, .branch = 2}, task(30)).has_value());
  EXPECT_FALSE(splits.arrive({.split = id, .branch = 0}, task(31)).has_value());
  const auto joined = splits.arrive({.split = id, .branch = 1}, task(32));
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->inputs, (std::vector<TaskRef>{task(31), task(32), task(30)}));
  EXPECT_EQ(joined->at.split, kNoSplit);
  EXPECT_EQ(splits.size(), 0u);
}

TEST(OpenSplits, AJoinStandsWhereItsSplitStood) {
  OpenSplits splits;
  const SplitId outer = splits.open({.step = 1, .outer = {}, .width = 2, .indexed = true});
  const SplitId inner = splits.open({.step = 2, .outer = {.split = outer, .branch = 1}, .width = 1, .indexed = true});
  EXPECT_EQ(splits.indices({.split = inner, .branch = 0}), (std::vector<std::int64_t>{1, 0}));
  const auto joined = splits.arrive({.split = inner, .branch = 0}, task(5));
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->at.split, outer);
  EXPECT_EQ(joined->at.branch, 1u);
  EXPECT_EQ(splits.size(), 1u);
}

TEST(OpenSplits, StaticBranchesAreNoIndices) {
  OpenSplits splits;
  const SplitId outer = splits.open({.step = 1, .outer = {}, .width = 9, .indexed = true});
  const SplitId inner = splits.open({.step = 2, .outer = {.split = outer, .branch = 4}, .width = 2, .indexed = false});
  EXPECT_EQ(splits.indices({.split = inner, .branch = 1}), (std::vector<std::int64_t>{4}));
}

TEST(OpenSplits, NodesOfANumParallelFollowTheirControlTask) {
  OpenSplits splits;
  const SplitId id = splits.open({.step = 1, .outer = {}, .width = 1, .indexed = true});
  const auto joined = splits.arrive({.split = id, .branch = 0}, task(7), 3);
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->inputs, (std::vector<TaskRef>{task(7), {.step = 7, .task = 7, .node = 1}, {.step = 7, .task = 7, .node = 2}}));
}

}  // namespace
}  // namespace headrace::sched
