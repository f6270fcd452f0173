#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sched/state.h"

namespace headrace::sched {

void Scheduler::State::fail(Failure failure, std::optional<TaskRef> task, Instant now) {
  out_.emplace_back(SayRun{.text = "Workflow failed.", .bad = true});
  stop({.end = FinishRun::End::failed, .failure = std::move(failure), .failed_task = task}, now);
}

void Scheduler::State::stop(FinishRun finish, Instant now) {
  phase_ = Phase::stopping;
  stopping_since_ = now;
  finish_ = std::move(finish);
  queue_.clear();
  clones_.clear();
  timeouts_.clear();
  out_.emplace_back(SayRun{.text = fmt::format("Terminating {} active tasks...", live_.size()), .bad = true});
  for (auto& [number, live] : live_) {
    live.deadline.reset();
    out_.emplace_back(MarkKilled{.task = number, .attempt = live.attempt});
  }
  if (live_.empty()) return;
  holding_ = true;
  out_.emplace_back(HoldLines{});
}

void Scheduler::State::kill_all(Instant now) {
  if (killed_) return;
  killed_ = true;
  if (live_.empty()) return;
  ReleaseLines release;
  const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - stopping_since_).count();
  release.first.push_back({.text = fmt::format("Killing {} remaining tasks after having waited for {} seconds -- "
                                               "some tasks may not exit cleanly",
                                               live_.size(), waited),
                           .bad = true});
  for (auto& [number, live] : live_) {
    live.killed = true;
    out_.emplace_back(SignalAttempt{.task = number, .attempt = live.attempt, .signal = Signal::kill});
  }
  flush(std::move(release));
}

/// `Flushing logs...`, and with it what was held.
void Scheduler::State::flush(ReleaseLines release) {
  if (std::exchange(flushed_, true)) return;
  release.first.push_back({.text = "Flushing logs...", .bad = true});
  if (std::exchange(holding_, false)) {
    out_.emplace_back(std::move(release));
  } else {
    for (SayRun& line : release.first) out_.emplace_back(std::move(line));
  }
}

void Scheduler::State::finish(FinishRun finish) {
  phase_ = Phase::finished;
  out_.emplace_back(std::move(finish));
}

void Scheduler::State::finish_when_idle() {
  if (!live_.empty() || !clones_sent_.empty()) return;
  if (phase_ == Phase::stopping) {
    flush({});
    return finish(std::move(finish_));
  }
  if (phase_ != Phase::running || !queue_.empty()) return;
  if (end_reached_) return finish({.end = FinishRun::End::successful, .failure = std::nullopt, .failed_task = std::nullopt});
  if (origin_ && origin_->clone_only()) {
    out_.emplace_back(SayRun{.text = "Clone-only resume complete -- only previously successful steps were cloned; no new tasks executed!",
                             .bad = false});
    return finish({.end = FinishRun::End::cloned, .failure = std::nullopt, .failed_task = std::nullopt});
  }
  // What an attempt that may not be repeated leaves behind.
  finish({.end = FinishRun::End::failed,
          .failure = Failure{.headline = "Internal error",
                             .message = fmt::format("The terminal step *{}* was not successful by the end of flow.", graph_.name(graph_.end()))},
          .failed_task = not_repeated_});
}

}  // namespace headrace::sched
