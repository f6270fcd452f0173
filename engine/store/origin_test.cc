#include "store/origin.h"

#include <gtest/gtest.h>

#include "store/run_records.h"
#include "store/testing/place.h"

namespace headrace::store {
namespace {

using namespace std::string_literals;

const WallTime kNow{std::chrono::microseconds{1795709449288783}};

// Pickles as Python 3.11 makes them with protocol 4.
const std::string kTrue = "\x80\x04\x88."s;
const std::string kFalse = "\x80\x04\x89."s;
const std::string kNone = "\x80\x04N."s;
const std::string kEmptyList = "\x80\x04]\x94."s;
// [ForeachFrame(step='work', var='items', num_splits=3, index=2, value='c')]
const std::string kStack =
    "\x80\x04\x95\x3c\x00\x00\x00\x00\x00\x00\x00]\x94\x8c\x08__main__\x94\x8c\x0c" "ForeachFrame\x94\x93\x94("
    "\x8c\x04work\x94\x8c\x05items\x94K\x03K\x02\x8c\x01" "c\x94t\x94\x81\x94" "a."s;
// (['work'], 'items')
const std::string kSplit = "\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00]\x94\x8c\x04work\x94" "a\x8c\x05items\x94\x86\x94."s;
const std::string kThree = "\x80\x04K\x03."s;

class OriginTest : public testing::InEachPlace {
 protected:
  using Artifacts = std::vector<std::pair<std::string, std::string>>;

  void task(const std::string& step, const std::string& id, int attempt, const Artifacts& artifacts, bool done = true) {
    const AttemptPath path{{RunId{"1"}, StepName{step}, TaskId{id}}, attempt};
    ASSERT_TRUE(records_.begin(path, {}, kNow).ok());
    if (!done) return;
    Manifest manifest{.attempt = attempt};
    for (const auto& [name, pickle] : artifacts) {
      auto key = blobs_.put(pickle);
      ASSERT_TRUE(key.ok());
      manifest.set({.name = name, .key = *key, .size = static_cast<std::int64_t>(pickle.size())});
    }
    ASSERT_TRUE(records_.finish(path, manifest, true, {}, kNow).ok());
  }
  OriginRun read() {
    auto run = read_origin(backend_, FlowName{"F"}, RunId{"1"});
    EXPECT_TRUE(run.ok());
    return run ? *std::move(run) : OriginRun{};
  }

  BlobStore blobs_{backend_, FlowName{"F"}};
  RunRecords records_{backend_, backend_, {.flow = FlowName{"F"}, .run = RunId{"1"}, .user = "ann", .datastore_root = "/d"}};
};

INSTANTIATE_TEST_SUITE_P(In, OriginTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(OriginTest, WhatResumeWantsToKnow) {
  task("_parameters", "0", 0, {{"_task_ok", kTrue}});
  task("start", "1", 0, {{"_task_ok", kTrue}, {"_foreach_stack", kEmptyList}, {"_transition", kSplit}, {"_foreach_num_splits", kThree}});
  task("work", "10", 0, {{"_task_ok", kTrue}, {"_foreach_stack", kStack}, {"_transition", kNone}});
  task("work", "2", 0, {{"_task_ok", kFalse}});
  task("work", "2", 1, {{"_task_ok", kTrue}, {"_foreach_stack", kStack}});
  const OriginRun run = read();
  ASSERT_TRUE(run.parameters.has_value());
  EXPECT_TRUE(run.parameters->ok);
  ASSERT_EQ(run.tasks.size(), 3U);
  EXPECT_TRUE(run.problems.empty());

  const OriginTask& start = run.tasks[0];
  EXPECT_EQ(start.path.str(), "1/start/1");
  EXPECT_TRUE(start.ok);
  EXPECT_EQ(start.next, std::vector<std::string>{"work"});
  EXPECT_EQ(start.foreach_var, "items");
  EXPECT_EQ(start.splits, 3);
  EXPECT_TRUE(start.foreach_index.empty());

  EXPECT_EQ(run.tasks[1].path.str(), "1/work/2");
  EXPECT_EQ(run.tasks[1].attempt, 1);
  EXPECT_TRUE(run.tasks[1].ok);
  EXPECT_EQ(run.tasks[2].path.str(), "1/work/10");
  EXPECT_EQ(run.tasks[2].foreach_index, std::vector<int>{2});
  EXPECT_TRUE(run.tasks[2].next.empty());
  EXPECT_EQ(run.tasks[2].splits, std::nullopt);
}

TEST_P(OriginTest, FailedUnfinishedAndDamagedTasksAreNotCloned) {
  task("a", "1", 0, {{"_task_ok", kFalse}});
  task("b", "2", 0, {{"_task_ok", kTrue}});
  task("b", "2", 1, {}, false);
  task("c", "3", 0, {{"_task_ok", kTrue}, {"_transition", "\x80\x04garbage"}});
  task("d", "4", 0, {{"_task_ok", kTrue}, {"_foreach_stack", kTrue}});
  task("e", "5", 0, {});
  task("f", "6", 0, {{"_task_ok", kTrue}});
  ASSERT_TRUE(backend_.put("F/1/f/6/0.data.json", "{\"half").ok());
  const OriginRun run = read();
  ASSERT_EQ(run.tasks.size(), 6U);
  for (const OriginTask& task : run.tasks) {
    EXPECT_FALSE(task.ok) << task.path.str();
    EXPECT_TRUE(task.manifest.artifacts.empty());
  }
  ASSERT_EQ(run.problems.size(), 3U);
  EXPECT_NE(to_text(run.problems[0]).find("1/c/3"), std::string::npos) << to_text(run.problems[0]);
  EXPECT_NE(to_text(run.problems[0]).find("_transition"), std::string::npos);
}

TEST_P(OriginTest, ARunWithoutRecordsIsMissing) {
  EXPECT_EQ(read_origin(backend_, FlowName{"F"}, RunId{"9"}).error().kind, Kind::missing);
  EXPECT_EQ(read_origin(backend_, FlowName{"F"}, RunId{".."}).error().kind, Kind::misuse);
}

}  // namespace
}  // namespace headrace::store
