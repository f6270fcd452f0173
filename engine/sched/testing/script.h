#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sched/scheduler.h"
#include "sched/testing/flows.h"
#include "sched/testing/printing.h"

namespace headrace::sched::testing {

/// A run told event by event; every call gives all commands that follow, as texts.
class Script {
 public:
  using Texts = std::vector<std::string>;

  explicit Script(flow::Graph graph, flow::Limits limits = {}, std::optional<Origin> origin = std::nullopt)
      : graph_(std::move(graph)), scheduler_(graph_, limits, std::move(origin)) {}

  Texts apply(const Event& event) { return to_texts(graph_, scheduler_.apply(event, now_)); }
  Texts begin() { return apply(Begin{}); }
  Texts ok(TaskNumber task, std::vector<std::string> next, std::optional<std::int64_t> splits = std::nullopt, int attempt = 0) {
    return apply(AttemptEnded{.task = task, .attempt = attempt, .exit_code = 0, .transition = Transition{std::move(next), splits}});
  }
  Texts failed(TaskNumber task, int attempt = 0, int exit_code = 1) {
    return apply(AttemptEnded{.task = task, .attempt = attempt, .exit_code = exit_code, .transition = std::nullopt});
  }
  Texts started(TaskNumber task, int attempt = 0) { return apply(AttemptStarted{.task = task, .attempt = attempt}); }
  Texts tick() { return apply(Tick{}); }
  Texts interrupt() { return apply(Interrupted{}); }
  Texts cloned(TaskNumber task) { return apply(TaskCloned{.task = task}); }

  void pass(Duration time) { now_ += time; }
  /// Time until the next deadline.
  [[nodiscard]] std::optional<Duration> wait() const {
    const auto deadline = scheduler_.next_deadline();
    return deadline ? std::optional(*deadline - now_) : std::nullopt;
  }
  [[nodiscard]] bool finished() const { return scheduler_.finished(); }
  [[nodiscard]] const flow::Graph& graph() const { return graph_; }

 private:
  flow::Graph graph_;
  Scheduler scheduler_;
  Instant now_{};
};

}  // namespace headrace::sched::testing
