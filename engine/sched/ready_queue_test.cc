#include "sched/ready_queue.h"

#include <gtest/gtest.h>

namespace headrace::sched {
namespace {

TEST(ReadyQueue, ChildrenComeInIndexOrderAmongTheOthers) {
  ReadyQueue queue;
  queue.push(ReadyTask{.step = 1});
  queue.push({.step = 2, .split = 5, .iteration = -1, .parent = {.step = 0, .task = 9}, .first = 0, .count = 3});
  queue.push(ReadyTask{.step = 3});
  EXPECT_EQ(queue.size(), 5u);
  EXPECT_EQ(queue.pop().step, 1u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const ReadyTask child = queue.pop();
    EXPECT_EQ(child.step, 2u);
    EXPECT_EQ(child.at.split, 5u);
    EXPECT_EQ(child.at.branch, i);
    EXPECT_EQ(child.split_index, i);
    EXPECT_EQ(child.inputs, (std::vector<TaskRef>{{.step = 0, .task = 9}}));
  }
  EXPECT_EQ(queue.pop().step, 3u);
  EXPECT_TRUE(queue.empty());
}

TEST(ReadyQueue, AChildPutBackComesAgain) {
  ReadyQueue queue;
  queue.push({.step = 2, .split = 5, .iteration = 0, .parent = {.step = 0, .task = 9}, .first = 0, .count = 4});
  ReadyQueue other;
  (void)queue.pop();
  for (int i = 0; i < 2; ++i) other.push(queue.pop());
  (void)queue.pop();
  EXPECT_EQ(other.size(), 2u);
  EXPECT_EQ(other.pop().split_index, 1);
  const ReadyTask child = other.pop();
  EXPECT_EQ(child.split_index, 2);
  EXPECT_EQ(child.at.iteration, 0);
  EXPECT_EQ(child.inputs.at(0).task, 9u);
  EXPECT_TRUE(other.empty());
}

}  // namespace
}  // namespace headrace::sched
