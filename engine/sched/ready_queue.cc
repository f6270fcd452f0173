#include "sched/ready_queue.h"

#include <utility>

#include "base/check.h"

namespace headrace::sched {

void ReadyQueue::push(ReadyTask task) {
  // A child alone is a group of one.
  if (task.split_index) {
    HR_CHECK(task.inputs.size() == 1);
    push(Children{.step = task.step,
                  .split = task.at.split,
                  .iteration = task.at.iteration,
                  .parent = task.inputs[0],
                  .first = task.at.branch,
                  .count = 1});
    return;
  }
  ++size_;
  entries_.push_back(Entry{.task = std::move(task), .parent = {}, .more = 0});
}

void ReadyQueue::push(const Children& children) {
  if (children.count == 0) return;
  size_ += children.count;
  // The next children of the same split lengthen the last entry: a resumed foreach comes back piece by piece.
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    if (last.task.split_index && last.task.at.split == children.split && last.task.step == children.step &&
        last.task.at.branch + last.more + 1 == children.first) {
      last.more += children.count;
      return;
    }
  }
  ReadyTask first{.step = children.step,
                  .at = {.split = children.split, .branch = children.first, .iteration = children.iteration},
                  .split_index = children.first,
                  .num_parallel = 0,
                  .join = false,
                  .inputs = {}};
  entries_.push_back(Entry{.task = std::move(first), .parent = children.parent, .more = children.count - 1});
}

ReadyTask ReadyQueue::pop() {
  HR_CHECK(!entries_.empty());
  --size_;
  Entry& front = entries_.front();
  if (!front.task.split_index) {
    ReadyTask task = std::move(front.task);
    entries_.pop_front();
    return task;
  }
  ReadyTask task = front.task;
  task.inputs = {front.parent};
  if (front.more == 0) {
    entries_.pop_front();
  } else {
    --front.more;
    ++front.task.at.branch;
    front.task.split_index = front.task.at.branch;
  }
  return task;
}

void ReadyQueue::clear() {
  entries_.clear();
  size_ = 0;
}

}  // namespace headrace::sched
