#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "attempt/assignment.h"
#include "attempt/session.h"

namespace headrace::agent {

/// What a control task hears of the other nodes of its @parallel step: their names. Who runs this one runs them too, and looks after them:
/// the launcher of a run with pods has started theirs by itself, waits for them, and ends this pod when one of them fails.
class OtherNodes final : public attempt::Workers {
 public:
  /// `count`: how many others there are; unset if nobody has said. `control` must outlive it.
  OtherNodes(const attempt::Assignment& control, std::optional<std::int64_t> count) : control_(control), count_(count) {}

  loop::Async<Result<std::vector<TaskPath>>> start(std::int64_t count) override {
    if (count_ && count != *count_) {
      co_return Error{.kind = Kind::misuse, .what = "the pods of a @parallel step are as many as `num_parallel` said"};
    }
    std::vector<TaskPath> paths;
    for (std::int64_t node = 1; node <= count; ++node) paths.push_back(attempt::worker_of(control_, node).path.task);
    co_return paths;
  }
  loop::Async<std::vector<TaskPath>> wait() override { co_return std::vector<TaskPath>{}; }

 private:
  const attempt::Assignment& control_;
  std::optional<std::int64_t> count_;
};

}  // namespace headrace::agent
