#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "sched/event.h"

namespace headrace::sched {

/// The tasks of a resumed run's origin, by what a task is: its step, its foreach indices, its pass of a recursion.
class OriginIndex {
 public:
  explicit OriginIndex(Origin origin);

  /// The task that may be cloned; nullptr if there is none that was ok, or if its step is to be executed in any case.
  [[nodiscard]] const OriginTask* find(flow::StepIndex step, const std::vector<std::int64_t>& indices, std::int64_t iteration) const;
  [[nodiscard]] bool clone_only() const { return clone_only_; }

 private:
  std::vector<OriginTask> tasks_;
  std::unordered_map<std::string, std::size_t> by_place_;
  bool clone_only_ = false;
};

}  // namespace headrace::sched
