#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "sched/open_splits.h"

namespace headrace::sched {

/// A task that may start, without a number yet.
struct ReadyTask {
  flow::StepIndex step = 0;
  Position at;
  std::optional<std::int64_t> split_index;
  std::int64_t num_parallel = 0;
  bool join = false;
  std::vector<TaskRef> inputs;
};

/// First in, first out. The children of a foreach are one entry, however many.
class ReadyQueue {
 public:
  void push(ReadyTask task);
  struct Children {
    flow::StepIndex step = 0;
    SplitId split = 0;
    std::int64_t iteration = -1;
    TaskRef parent;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };
  void push(const Children& children);

  /// Requires that the queue is not empty.
  ReadyTask pop();
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Tasks, not entries.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void clear();

 private:
  struct Entry {
    ReadyTask task;                   ///< `inputs` is empty for children
    TaskRef parent;                   ///< the only input of children
    std::uint32_t more = 0;           ///< children after this one
  };
  std::deque<Entry> entries_;
  std::uint64_t size_ = 0;
};

}  // namespace headrace::sched
