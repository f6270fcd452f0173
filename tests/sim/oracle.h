#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/graph.h"
#include "sched/command.h"
#include "sched/event.h"

namespace headrace::sim {

/// What a run must do next, told in the plainest way: every task carries the whole list of the splits around it, and every
/// expected task is written down. Knows nothing of how the scheduler does it.
class Oracle {
 public:
  explicit Oracle(const flow::Graph& graph) : graph_(graph) {}

  /// One split around a task.
  struct Frame {
    sched::TaskNumber splitter = 0;  ///< the task that split
    std::size_t branch = 0;
    std::size_t width = 0;
    bool indexed = false;
    bool operator<(const Frame& other) const { return std::pair(splitter, branch) < std::pair(other.splitter, other.branch); }
  };
  struct Task {
    flow::StepIndex step = 0;
    std::vector<Frame> frames;
    std::int64_t iteration = -1;
    std::optional<std::int64_t> split_index;
    std::int64_t nodes = 0;
    bool join = false;
    std::vector<sched::TaskRef> inputs;
  };

  void begin();
  /// A task with this step, split index, nodes and inputs is the next one expected: it gets `number`. False if it is not.
  /// `anywhere`: it need not be the next, only expected (while cloning).
  bool start(sched::TaskNumber number, const Task& seen, bool anywhere);
  /// The task has ended well, with this transition.
  void succeed(sched::TaskNumber number, const sched::Transition& transition);

  [[nodiscard]] const Task& task(sched::TaskNumber number) const { return tasks_.at(number); }
  [[nodiscard]] const std::deque<Task>& expected() const { return expected_; }
  [[nodiscard]] bool end_reached() const { return end_reached_; }
  /// What a task is, whatever its number: step, foreach indices, pass of a recursion.
  struct Place {
    flow::StepIndex step = 0;
    std::vector<std::int64_t> indices;
    std::int64_t iteration = -1;
    auto operator<=>(const Place&) const = default;
  };
  [[nodiscard]] static Place place(const Task& task);

 private:
  void arrive(flow::StepIndex target, std::vector<Frame> frames, sched::TaskNumber number, const Task& from, std::int64_t iteration);

  const flow::Graph& graph_;
  std::map<sched::TaskNumber, Task> tasks_;
  std::deque<Task> expected_;
  /// Arrived branches of a split instance: its task -> branch -> inputs.
  std::map<sched::TaskNumber, std::map<std::size_t, std::vector<sched::TaskRef>>> arrived_;
  bool end_reached_ = false;
};

}  // namespace headrace::sim
