#include "sched/scheduler.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sched/state.h"

namespace headrace::sched {

Scheduler::Scheduler(const flow::Graph& graph, flow::Limits limits, std::optional<Origin> origin)
    : state_(std::make_unique<State>(graph, limits, std::move(origin))) {}
Scheduler::~Scheduler() = default;
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;

std::vector<Command> Scheduler::apply(const Event& event, Instant now) { return state_->apply(event, now); }
std::optional<Instant> Scheduler::next_deadline() const { return state_->next_deadline(); }
bool Scheduler::finished() const { return state_->finished(); }

Scheduler::State::State(const flow::Graph& graph, flow::Limits limits, std::optional<Origin> origin)
    : graph_(graph), limits_(limits), counts_(graph.size()) {
  HR_CHECK(limits_.max_workers >= 1);
  if (origin) origin_.emplace(std::move(*origin));
}

std::vector<Command> Scheduler::State::apply(const Event& event, Instant now) {
  if (phase_ == Phase::finished) return {};
  std::visit([&](const auto& fact) { on(fact, now); }, event);
  // Once for each event, when all its consequences are known.
  if (phase_ == Phase::running) start_tasks();
  finish_when_idle();
  return std::exchange(out_, {});
}

void Scheduler::State::on(const Begin&, Instant now) {
  if (phase_ != Phase::idle) return;
  progress_at_ = now + kProgressInterval;
  const flow::StepIndex start = graph_.start();
  push({.step = start,
        .at = {.iteration = graph_.step(start).recursive() ? 0 : -1},
        .split_index = std::nullopt,
        .num_parallel = 0,
        .join = false,
        .inputs = {TaskRef{}}});
  if (!origin_) {
    phase_ = Phase::running;
    return;
  }
  phase_ = Phase::cloning;
  plan_clones();
  send_clones(now);
}

void Scheduler::State::on(const AttemptStarted& event, Instant now) {
  const auto live = live_.find(event.task);
  if (live == live_.end() || live->second.attempt != event.attempt || live->second.deadline || phase_ != Phase::running) return;
  const auto& timeout = graph_.step(live->second.task.step).timeout_s;
  if (!timeout) return;
  const auto length = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(*timeout, 1e9)));
  set_deadline(event.task, live->second, now + length + kTimeoutSlack);
}

void Scheduler::State::on(const AttemptEnded& event, Instant now) {
  const auto live = live_.find(event.task);
  if (live == live_.end() || live->second.attempt != event.attempt) return;
  set_deadline(event.task, live->second, std::nullopt);
  StepCount& count = counts_[live->second.task.step];
  --count.running;
  ++count.done;

  const bool ok = event.exit_code == 0 && event.transition.has_value();
  say_outcome(event, live->second, ok);
  if (!ok) return attempt_failed(live, event, now);

  const ReadyTask& task = live->second.task;
  const Ended ended{.step = task.step,
                    .at = task.at,
                    .ref = {.step = task.step, .task = event.task, .node = 0},
                    .num_parallel = task.num_parallel};
  live_.erase(live);
  if (phase_ != Phase::running) return;
  if (auto why = disagreement(ended.step, *event.transition)) {
    return fail({.headline = "Internal error", .message = std::move(*why)}, ended.ref, now);
  }
  if (auto failure = follow(ended, *event.transition)) fail(std::move(*failure), ended.ref, now);
}

void Scheduler::State::say_outcome(const AttemptEnded& event, const Live& live, bool ok) {
  const auto say = [&](std::string text, bool store) {
    out_.emplace_back(SayTask{.task = event.task, .attempt = event.attempt, .text = std::move(text), .store = store});
  };
  constexpr int kSegmentationFault = 128 + 11;
  if (ok) {
    if (graph_.step(live.task.step).kind == flow::StepKind::foreach && event.transition->splits.value_or(0) != 0) {
      say(fmt::format("Foreach yields {} child steps.", *event.transition->splits), false);
    }
    say("Task finished successfully.", false);
  } else if (!live.killed) {
    say(event.exit_code == kSegmentationFault ? "Task failed with a segmentation fault." : "Task failed.", true);
  }
}

void Scheduler::State::attempt_failed(LiveTasks::iterator live, const AttemptEnded& event, Instant now) {
  const flow::StepIndex index = live->second.task.step;
  const flow::Step& step = graph_.step(index);
  Live& task = live->second;
  const bool ending = phase_ != Phase::running || event.exit_code == kExitDisallowRetry;
  const bool giving_up = event.hopeless && event.attempt < task.user_retries;
  if (giving_up) task.user_retries = event.attempt;
  if (ending || giving_up) out_.emplace_back(SayRun{.text = "This failed task will not be retried.", .bad = false});
  if (ending) {
    live_.erase(live);
    not_repeated_ = TaskRef{.step = index, .task = event.task, .node = 0};
    return;
  }
  const bool made_good = event.lost && make_good(task, event);
  if (event.attempt < task.user_retries + step.fallback_retries) {
    ++task.attempt;
    task.terminated = false;
    start_attempt(event.task, task, !made_good);
    return;
  }
  live_.erase(live);
  fail({.headline = "Step failure", .message = fmt::format("Step *{}* (task-id {}) failed.", step.name.str(), event.task)},
       TaskRef{.step = index, .task = event.task, .node = 0}, now);
}

bool Scheduler::State::make_good(Live& task, const AttemptEnded& event) {
  const int attempts = 1 + task.user_retries + graph_.step(task.task.step).fallback_retries;
  if (task.losses >= kLossesMax || attempts >= kAttemptsMax) return false;
  ++task.losses;
  ++task.user_retries;
  out_.emplace_back(SayTask{.task = event.task, .attempt = event.attempt,
                            .text = fmt::format("It was lost with what it ran on: it is tried again, which @retry does not count ({} of {}).",
                                                task.losses, kLossesMax),
                            .store = true});
  return true;
}

void Scheduler::State::on(const TaskCloned& event, Instant now) {
  if (clones_sent_.erase(event.task) > 0 && phase_ == Phase::cloning) send_clones(now);
}

void Scheduler::State::on(const Interrupted&, Instant now) {
  if (phase_ == Phase::stopping) return kill_all(now);
  out_.emplace_back(SayRun{.text = "Workflow interrupted. Please avoid pressing Ctrl+C again to let the workflow clean up process finish.",
                           .bad = true});
  for (const auto& [number, live] : live_) {
    out_.emplace_back(SignalAttempt{.task = number, .attempt = live.attempt, .signal = Signal::interrupt});
  }
  stop({.end = FinishRun::End::interrupted, .failure = std::nullopt, .failed_task = std::nullopt}, now);
}

void Scheduler::State::on(const RunBroken& event, Instant now) {
  clones_sent_.clear();
  if (phase_ == Phase::stopping) return;
  fail({.headline = event.headline, .message = event.message}, std::nullopt, now);
}

void Scheduler::State::on(const Tick&, Instant now) {
  if (phase_ == Phase::stopping) {
    if (!killed_ && now >= stopping_since_ + kGrace) kill_all(now);
    return;
  }
  if (phase_ != Phase::running) return;
  check_timeouts(now);
  if (now >= progress_at_) progress(now);
}

void Scheduler::State::start_tasks() {
  while (!queue_.empty() && live_.size() < static_cast<std::size_t>(limits_.max_workers)) {
    ReadyTask task = queue_.pop();
    if (origin_ && origin_->clone_only()) {
      out_.emplace_back(NotExecuted{.step = task.step});
      continue;
    }
    const TaskNumber number = ++last_number_;
    const int user_retries = graph_.step(task.step).user_retries;
    const auto live = live_.emplace(number, Live{.task = std::move(task), .user_retries = user_retries}).first;
    start_attempt(number, live->second, false);
  }
}

void Scheduler::State::start_attempt(TaskNumber number, Live& live, bool waits) {
  const ReadyTask& task = live.task;
  StepCount& count = counts_[task.step];
  if (count.running == 0 && count.done == 0) started_.push_back(task.step);
  ++count.running;
  AttemptKind kind = AttemptKind::normal;
  if (live.attempt > live.user_retries) {
    kind = AttemptKind::fallback;
  } else if (live.attempt > 0) {
    kind = AttemptKind::retry;
  }
  const bool remote = graph_.step(task.step).backend != flow::Backend::local && kind != AttemptKind::fallback;
  out_.emplace_back(StartAttempt{.task = number,
                                 .attempt = live.attempt,
                                 .kind = kind,
                                 .user_retries = live.user_retries,
                                 .step = task.step,
                                 .backend = remote ? graph_.step(task.step).backend : flow::Backend::local,
                                 .wait = std::chrono::seconds(remote && waits ? graph_.step(task.step).retry_wait_s : 0),
                                 .split_index = task.split_index,
                                 .join = task.join,
                                 .num_parallel = task.num_parallel,
                                 .inputs = task.inputs});
}

void Scheduler::State::set_deadline(TaskNumber number, Live& live, std::optional<Instant> deadline) {
  if (live.deadline) timeouts_.erase({*live.deadline, number});
  live.deadline = deadline;
  if (deadline) timeouts_.emplace(*deadline, number);
}

void Scheduler::State::check_timeouts(Instant now) {
  while (!timeouts_.empty() && timeouts_.begin()->first <= now) {
    const TaskNumber number = timeouts_.begin()->second;
    Live& live = live_.at(number);
    if (!live.terminated) {
      live.terminated = true;
      out_.emplace_back(MarkKilled{.task = number, .attempt = live.attempt});
      out_.emplace_back(SignalAttempt{.task = number, .attempt = live.attempt, .signal = Signal::terminate});
      set_deadline(number, live, now + kGrace);
    } else {
      out_.emplace_back(SignalAttempt{.task = number, .attempt = live.attempt, .signal = Signal::kill});
      set_deadline(number, live, std::nullopt);
    }
  }
}

void Scheduler::State::progress(Instant now) {
  progress_at_ = now + kProgressInterval;
  const auto say = [&](std::string text) { out_.emplace_back(SayRun{.text = std::move(text), .bad = false}); };
  if (live_.empty()) {
    say("No tasks are running.");
  } else {
    std::string text = live_.size() == 1 ? "1 task is running: " : fmt::format("{} tasks are running: ", live_.size());
    const char* comma = "";
    for (const flow::StepIndex step : started_) {
      if (counts_[step].running == 0) continue;
      text += fmt::format("{}{} ({} running; {} done)", std::exchange(comma, ", "), graph_.name(step), counts_[step].running, counts_[step].done);
    }
    say(text + ".");
  }
  if (queue_.empty()) {
    say("No tasks are waiting in the queue.");
  } else if (queue_.size() == 1) {
    say("1 task is waiting in the queue: ");
  } else {
    say(fmt::format("{} tasks are waiting in the queue.", queue_.size()));
  }
  std::vector<std::string> missing;
  for (flow::StepIndex step = 0; step < graph_.size(); ++step) {
    if (!counts_[step].queued) missing.push_back(graph_.name(step));
  }
  if (missing.size() == 1) {
    say(fmt::format("{} step has not started", missing[0]));
  } else if (missing.size() > 1) {
    say(fmt::format("{} steps have not started: {}.", missing.size(), fmt::join(missing, ", ")));
  }
}

std::optional<Instant> Scheduler::State::next_deadline() const {
  if (phase_ == Phase::stopping && !killed_) return stopping_since_ + kGrace;
  if (phase_ != Phase::running) return std::nullopt;
  return timeouts_.empty() ? progress_at_ : std::min(progress_at_, timeouts_.begin()->first);
}

}  // namespace headrace::sched
