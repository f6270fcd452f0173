#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "sched/command.h"

namespace headrace::sched {

using SplitId = std::uint32_t;
inline constexpr SplitId kNoSplit = std::numeric_limits<SplitId>::max();

/// Where a task stands: in which branch of which open split, and in which pass of a recursive step (-1: not in one).
struct Position {
  SplitId split = kNoSplit;
  std::uint32_t branch = 0;
  std::int64_t iteration = -1;
};

/// The splits that have been opened and not yet joined, each knowing the one around it.
///
/// A split costs one entry, and one TaskRef a branch once the first branch has arrived; what is joined is forgotten.
class OpenSplits {
 public:
  struct Opening {
    flow::StepIndex step = 0;
    Position outer;             ///< of the task that splits
    std::uint32_t width = 0;
    bool indexed = false;       ///< a level of `foreach_stack`: foreach and num_parallel, not a static split
  };
  SplitId open(const Opening& opening);

  struct Joined {
    Position at;                  ///< of the join
    std::vector<TaskRef> inputs;  ///< in the order of the branches
  };
  /// The branch at `at` has arrived at its join with the task `last`. Gives the join's place and inputs when it was the last
  /// branch; the split is closed then. `nodes` > 1: it arrives with all nodes of a num_parallel, node 0 first.
  std::optional<Joined> arrive(Position at, TaskRef last, std::uint32_t nodes = 1);

  [[nodiscard]] flow::StepIndex step(SplitId id) const { return splits_[id].step; }
  /// The indices of the foreach levels around a place, outermost first.
  [[nodiscard]] std::vector<std::int64_t> indices(Position at) const;
  [[nodiscard]] std::size_t size() const { return splits_.size() - free_.size(); }

 private:
  struct Split {
    flow::StepIndex step = 0;
    Position outer;
    std::uint32_t width = 0;
    std::uint32_t missing = 0;
    bool indexed = false;
    std::vector<TaskRef> arrivals;
  };
  std::vector<Split> splits_;
  std::vector<SplitId> free_;
};

}  // namespace headrace::sched
