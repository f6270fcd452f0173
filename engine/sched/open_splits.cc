#include "sched/open_splits.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace headrace::sched {

SplitId OpenSplits::open(const Opening& opening) {
  HR_CHECK(opening.width > 0);
  Split split{.step = opening.step,
              .outer = opening.outer,
              .width = opening.width,
              .missing = opening.width,
              .indexed = opening.indexed,
              .arrivals = {}};
  if (free_.empty()) {
    splits_.push_back(std::move(split));
    return static_cast<SplitId>(splits_.size() - 1);
  }
  const SplitId id = free_.back();
  free_.pop_back();
  splits_[id] = std::move(split);
  return id;
}

std::optional<OpenSplits::Joined> OpenSplits::arrive(Position at, TaskRef last, std::uint32_t nodes) {
  HR_CHECK(at.split < splits_.size());
  Split& split = splits_[at.split];
  HR_CHECK(at.branch < split.width && split.missing > 0);
  if (split.arrivals.empty()) split.arrivals.resize(split.width);
  HR_CHECK(split.arrivals[at.branch].task == 0);
  split.arrivals[at.branch] = last;
  if (--split.missing > 0) return std::nullopt;

  Joined joined{.at = {.split = split.outer.split, .branch = split.outer.branch}, .inputs = std::exchange(split.arrivals, {})};
  // The nodes of a num_parallel are one branch: its control task has waited for them.
  for (std::uint32_t node = 1; node < nodes; ++node) {
    joined.inputs.push_back(TaskRef{.step = last.step, .task = last.task, .node = node});
  }
  free_.push_back(at.split);
  return joined;
}

std::vector<std::int64_t> OpenSplits::indices(Position at) const {
  std::vector<std::int64_t> indices;
  for (; at.split != kNoSplit; at = splits_[at.split].outer) {
    if (splits_[at.split].indexed) indices.push_back(at.branch);
  }
  std::reverse(indices.begin(), indices.end());
  return indices;
}

}  // namespace headrace::sched
