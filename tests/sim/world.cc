#include "sim/world.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "sched/testing/printing.h"
#include "sim/random_flow.h"

namespace headrace::sim {
namespace {

using sched::AttemptEnded;
using sched::FinishRun;
using sched::TaskNumber;

constexpr int kRunsMax = 8;
constexpr std::uint64_t kEventsMax = 200'000;
constexpr Duration kNever = 100'000h;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccd;
}

/// The steps from which on everything is executed again.
std::set<flow::StepIndex> descendants(const flow::Graph& graph, flow::StepIndex from) {
  std::set<flow::StepIndex> found{from};
  std::vector<flow::StepIndex> todo{from};
  while (!todo.empty()) {
    const flow::StepIndex at = todo.back();
    todo.pop_back();
    for (const flow::StepIndex next : graph.step(at).next) {
      if (found.insert(next).second) todo.push_back(next);
    }
  }
  return found;
}

}  // namespace

std::string replay_command(std::uint64_t seed) { return fmt::format("tools/replay --seed {}", seed); }

Faults Faults::swarm(Random& random) {
  const auto some = [&](unsigned most) { return random.chance(50) ? 0U : 1U + static_cast<unsigned>(random.below(most)); };
  return {.attempt_fails = some(random.chance(30) ? 50 : 8),
          .exit_202 = some(10),
          .hopeless = some(20),
          .lost = some(30),
          .hangs = some(10),
          .ignores_signals = some(60),
          .event_twice = some(30),
          .event_old = some(20),
          .tick_early = some(20),
          .interrupt = some(100),
          .broken = some(40),
          .crash = some(300),
          .too_wide = some(4),
          .wrong_transition = some(2)};
}

World::World(std::uint64_t seed)
    : graph_([&] {
        Random shape(seed);
        return random_flow(shape);
      }()),
      random_(mix(seed, 1)),
      seed_(seed),
      faults_(Faults::swarm(random_)),
      shape_seed_(mix(seed, 2)) {
  limits_.max_workers = static_cast<int>(1 + random_.below(random_.chance(50) ? 4 : 40));
  limits_.max_num_splits = 40;
}

void World::broken(std::string what) {
  write("BROKEN " + what);
  if (!broken_) broken_ = std::move(what);
}

void World::write(std::string line) {
  if (keep_log_) log_.push_back(fmt::format("{:>12.3f}  {}", std::chrono::duration<double>(now_.time_since_epoch()).count(), line));
}

std::optional<std::string> World::play() {
  for (run_number_ = 1; run_number_ <= kRunsMax && !broken_; ++run_number_) {
    const bool last = run_number_ == kRunsMax;
    if (last) faults_ = {};
    if (last || random_.chance(60)) limits_.max_num_splits = std::numeric_limits<std::int64_t>::max();
    std::set<flow::StepIndex> rerun;
    std::optional<sched::Origin> origin;
    if (run_number_ > 1) origin = make_origin(rerun);
    play_run(std::move(origin), rerun);
    if (finished_ && ends_[FinishRun::End::successful] > 0) return broken_;
    if (last) broken("a run without faults has not succeeded");
  }
  return broken_;
}

sched::Origin World::make_origin(std::set<flow::StepIndex>& rerun) {
  sched::Origin origin;
  if (random_.chance(20)) rerun = descendants(graph_, static_cast<flow::StepIndex>(random_.below(graph_.size())));
  origin.rerun.assign(rerun.begin(), rerun.end());
  for (const auto& [place, record] : records_) {
    sched::OriginTask task{.step = place.step, .indices = place.indices, .iteration = place.iteration, .ok = record.ok, .transition = std::nullopt,
                           .task_id = record.id};
    if (record.ok) task.transition = record.transition;
    origin.tasks.push_back(std::move(task));
  }
  return origin;
}

void World::play_run(std::optional<sched::Origin> origin, const std::set<flow::StepIndex>& rerun) {
  write(fmt::format("--- run {}: {} steps, {} slots{}", run_number_, graph_.size(), limits_.max_workers, origin ? ", resumed" : ""));
  attempts_.clear();
  due_.clear();
  cloning_.clear();
  past_.clear();
  deliver_later_.clear();
  last_number_ = 0;
  cloning_done_ = !origin;
  stopping_ = may_fail_ = holding_ = finished_ = interrupted_ = false;
  rerun_ = rerun;
  origin_ = origin;
  before_ = std::exchange(records_, {});
  scheduler_ = std::make_unique<sched::Scheduler>(graph_, limits_, std::move(origin));
  oracle_ = std::make_unique<Oracle>(graph_);
  oracle_->begin();
  deliver(sched::Begin{});
  while (!finished_ && !broken_) {
    if (++events_ > kEventsMax) return broken("the run does not come to an end");
    if (random_.below(10'000) < faults_.crash) {
      write("the conductor crashes");
      // What was under way may have been committed, unheard of.
      for (const auto& [number, attempt] : attempts_) {
        if (attempt.alive && random_.chance(30)) (void)outcome(number);
      }
      return;
    }
    if (!next_event()) return broken("nothing is under way and the run is not finished");
  }
  if (broken_) return;
  now_ += 1s;
  deliver(sched::Tick{});
  if (!past_.empty()) deliver(past_[random_.below(past_.size())]);
}

bool World::next_event() {
  if (random_.below(10'000) < faults_.interrupt) {
    may_fail_ = interrupted_ = true;
    deliver(sched::Interrupted{});
    return true;
  }
  if (random_.below(10'000) < faults_.broken) {
    may_fail_ = true;
    cloning_.clear();
    // The host dies, and its tasks with it.
    for (const auto& [number, attempt] : attempts_) {
      if (attempt.alive) plan_end(number, now_ + 1ms);
    }
    deliver(sched::RunBroken{.headline = "The task host died", .message = "killed by signal 9"});
    return true;
  }
  if (!past_.empty() && random_.chance(faults_.event_old)) {
    const sched::Event event = past_[random_.below(past_.size())];
    deliver(event);
    return true;
  }
  if (random_.chance(faults_.tick_early)) {
    deliver(sched::Tick{});
    return true;
  }
  if (!deliver_later_.empty() && random_.chance(80)) {
    std::swap(deliver_later_[random_.below(deliver_later_.size())], deliver_later_.back());
    const sched::Event event = deliver_later_.back();
    deliver_later_.pop_back();
    deliver(event);
    return true;
  }
  if (!cloning_.empty()) {
    const std::size_t at = random_.below(cloning_.size());
    const TaskNumber number = cloning_[at];
    cloning_.erase(cloning_.begin() + static_cast<std::ptrdiff_t>(at));
    deliver(sched::TaskCloned{.task = number});
    return true;
  }
  const auto deadline = scheduler_->next_deadline();
  const bool task_ends = !due_.empty() && due_.begin()->first < now_ + kNever / 2;
  if (task_ends && (!deadline || due_.begin()->first <= *deadline)) {
    const auto [when, number] = *due_.begin();
    now_ = std::max(now_, when);
    due_.erase(due_.begin());
    const AttemptEnded ended = outcome(number);
    deliver(ended);
    return true;
  }
  if (!deadline) return false;
  now_ = std::max(now_, *deadline);
  deliver(sched::Tick{});
  return true;
}

sched::Transition World::transition_of(const Oracle::Task& task) {
  const Oracle::Place place = Oracle::place(task);
  std::uint64_t hash = mix(mix(shape_seed_, place.step), static_cast<std::uint64_t>(place.iteration));
  for (const std::int64_t index : place.indices) hash = mix(hash, static_cast<std::uint64_t>(index));
  Random shape(hash);
  const flow::Step& step = graph_.step(task.step);
  sched::Transition transition;
  if (step.kind == flow::StepKind::switch_) {
    flow::StepIndex target = step.next[shape.below(step.next.size())];
    if (step.recursive() && task.iteration >= 4) target = step.next[1];
    transition.next = {graph_.name(target)};
    return transition;
  }
  for (const flow::StepIndex target : step.next) transition.next.push_back(graph_.name(target));
  if (step.kind == flow::StepKind::foreach) {
    transition.splits = static_cast<std::int64_t>(1 + shape.below(place.indices.empty() ? 16 : 4));
    if (shape.chance(faults_.too_wide)) transition.splits = 41;
  }
  if (step.kind == flow::StepKind::parallel) transition.splits = static_cast<std::int64_t>(shape.below(5));
  return transition;
}

/// How the attempt ends; what it has committed is recorded.
AttemptEnded World::outcome(TaskNumber number) {
  Attempt& attempt = attempts_.at(number);
  attempt.alive = false;
  const Oracle::Task& task = oracle_->task(number);
  AttemptEnded ended{.task = number, .attempt = attempt.attempt, .exit_code = 0, .transition = std::nullopt};
  Record& record = records_[Oracle::place(task)];
  record = {.ok = false, .wrong = false, .transition = {}, .id = fmt::format("{}.{}", run_number_, number)};
  if (attempt.exit_code == 0 && random_.chance(faults_.attempt_fails)) attempt.exit_code = 1;
  if (attempt.exit_code != 0) {
    if (attempt.exit_code == 1 && random_.chance(20)) attempt.exit_code = random_.chance(50) ? 139 : 0;
    if (attempt.exit_code == 1 && random_.chance(faults_.exit_202)) attempt.exit_code = sched::kExitDisallowRetry;
    ended.exit_code = attempt.exit_code;
    ended.hopeless = random_.chance(faults_.hopeless);
    if (ended.hopeless) attempt.user_retries = std::min(attempt.user_retries, attempt.attempt);
    ended.lost = !ended.hopeless && random_.chance(faults_.lost);
    int last = attempt.user_retries + graph_.step(task.step).fallback_retries;
    attempt.made_good = ended.lost && attempt.losses < sched::kLossesMax && last + 1 < kAttemptsMax;
    if (attempt.made_good) {
      ++attempt.losses;
      ++attempt.user_retries;
      ++last;
    }
    if (attempt.exit_code == sched::kExitDisallowRetry || attempt.attempt >= last) may_fail_ = true;
    return ended;
  }
  attempt.ok = true;
  ended.transition = transition_of(task);
  if (random_.chance(faults_.wrong_transition)) {
    may_fail_ = true;
    attempt.wrong = true;
    ended.transition->next.push_back("start");
  }
  if (ended.transition->splits.value_or(0) > limits_.max_num_splits && graph_.step(task.step).kind == flow::StepKind::foreach) may_fail_ = true;
  record.ok = true;
  record.wrong = attempt.wrong;
  record.transition = *ended.transition;
  return ended;
}

void World::plan_end(TaskNumber number, Instant when) {
  Attempt& attempt = attempts_.at(number);
  due_.erase({attempt.ends, number});
  attempt.ends = when;
  due_.emplace(when, number);
}

void World::deliver(const sched::Event& event) {
  write("< " + sched::testing::to_text(event));
  if (const auto* ended = std::get_if<AttemptEnded>(&event)) {
    // Heard for the first time: the oracle learns of it before the scheduler's answer is judged.
    const auto found = attempts_.find(ended->task);
    if (found != attempts_.end() && found->second.attempt == ended->attempt && !found->second.heard) {
      found->second.heard = true;
      const bool follows = found->second.ok && !found->second.wrong && !stopping_;
      const bool wide = graph_.step(oracle_->task(ended->task).step).kind == flow::StepKind::foreach && ended->transition &&
                        ended->transition->splits.value_or(0) > limits_.max_num_splits;
      if (follows && !wide) oracle_->succeed(ended->task, *ended->transition);
    }
  }
  const bool was_stopping = stopping_;
  marked_.clear();
  const std::vector<sched::Command> commands = scheduler_->apply(event, now_);
  if (past_.size() < 1000 && !std::holds_alternative<sched::Interrupted>(event) && !std::holds_alternative<sched::RunBroken>(event)) {
    past_.push_back(event);
  }
  for (const sched::Command& command : commands) {
    write("    > " + sched::testing::to_text(graph_, command));
    carry_out(command);
  }
  std::size_t live = 0;
  for (const auto& [number, attempt] : attempts_) live += attempt.heard ? 0 : 1;
  if (live > static_cast<std::size_t>(limits_.max_workers)) broken(fmt::format("{} attempts are live", live));
  if (stopping_ && !was_stopping && marked_.size() != live) broken("not every live attempt is marked as killed");
  if (cloning_done_ && !stopping_ && !finished_ && !oracle_->expected().empty() && live < static_cast<std::size_t>(limits_.max_workers)) {
    broken("a slot is idle while a task waits");
  }
  if (!commands.empty() && random_.chance(faults_.event_twice) && !std::holds_alternative<sched::Interrupted>(event)) {
    const auto again = scheduler_->apply(event, now_);
    for (const sched::Command& command : again) write("    >> " + sched::testing::to_text(graph_, command));
    if (!again.empty()) broken("an event told twice has an effect twice");
  }
}

void World::carry_out(const sched::Command& command) {
  if (finished_) return broken("a command follows FinishRun");
  if (const auto* start = std::get_if<sched::StartAttempt>(&command)) return carry_out_start(*start);
  if (const auto* clone = std::get_if<sched::CloneTask>(&command)) return carry_out_clone(*clone);
  if (const auto* signal = std::get_if<sched::SignalAttempt>(&command)) return carry_out_signal(*signal);
  if (const auto* finish = std::get_if<FinishRun>(&command)) return carry_out_finish(*finish);
  if (const auto* mark = std::get_if<sched::MarkKilled>(&command)) {
    const auto found = attempts_.find(mark->task);
    if (found == attempts_.end() || found->second.heard || found->second.attempt != mark->attempt) return broken("what is not live is marked");
    marked_.insert(mark->task);
  } else if (std::holds_alternative<sched::CloningDone>(command)) {
    if (cloning_done_ || !cloning_.empty()) return broken("cloning is done too early or twice");
    cloning_done_ = true;
    check_cloned_all();
  } else if (const auto* line = std::get_if<sched::SayRun>(&command)) {
    if (line->bad && (line->text == "Workflow failed." || line->text.starts_with("Workflow interrupted."))) {
      if (stopping_) return broken("the run stops twice");
      stopping_ = true;
      stopping_since_ = now_;
    }
  } else if (std::holds_alternative<sched::HoldLines>(command)) {
    if (std::exchange(holding_, true)) broken("lines are held twice");
  } else if (std::holds_alternative<sched::ReleaseLines>(command)) {
    if (!std::exchange(holding_, false)) broken("lines are released that were not held");
  }
}

void World::carry_out_start(const sched::StartAttempt& command) {
  if (stopping_) return broken("an attempt starts while the run stops");
  if (!cloning_done_) return broken("an attempt starts before cloning is done");
  const Oracle::Task seen{.step = command.step,
                          .frames = {},
                          .iteration = -1,
                          .split_index = command.split_index,
                          .nodes = command.num_parallel,
                          .join = command.join,
                          .inputs = command.inputs};
  const flow::Step& step = graph_.step(command.step);
  const auto before = attempts_.find(command.task);
  const bool first = command.attempt == 0 || before == attempts_.end();
  const int user_retries = first ? step.user_retries : before->second.user_retries;
  auto kind = sched::AttemptKind::normal;
  if (command.attempt > user_retries) kind = sched::AttemptKind::fallback;
  else if (command.attempt > 0) kind = sched::AttemptKind::retry;
  if (command.kind != kind) return broken("an attempt is of the wrong kind");
  const bool remote = step.backend == flow::Backend::kubernetes && kind != sched::AttemptKind::fallback;
  if ((command.backend == flow::Backend::kubernetes) != remote) return broken("an attempt is in the wrong place");
  if (command.user_retries != user_retries) return broken("an attempt is told another number of retries");
  const int wait_s = remote && !first && !before->second.made_good ? step.retry_wait_s : 0;
  if (command.wait != std::chrono::seconds(wait_s)) return broken("an attempt waits for the wrong time");
  if (command.attempt == 0) {
    if (command.task != ++last_number_) return broken("task numbers do not count up");
    if (!oracle_->start(command.task, seen, false)) return broken("the task that starts is not the next one expected");
  } else {
    if (before == attempts_.end() || !before->second.heard || before->second.ok || before->second.attempt + 1 != command.attempt) {
      return broken("an attempt is repeated that has not failed");
    }
    if (command.attempt > user_retries + step.fallback_retries || before->second.exit_code == sched::kExitDisallowRetry) {
      return broken("one attempt too many");
    }
    if (oracle_->task(command.task).inputs != command.inputs) return broken("a repeated attempt has other inputs");
  }
  attempts_[command.task] = Attempt{.attempt = command.attempt, .user_retries = user_retries, .losses = first ? 0 : before->second.losses};
  const double longest_ms = step.timeout_s && faults_.hangs == 0 ? *step.timeout_s * 1000 : 100'000;
  const Duration length = random_.chance(10) ? Duration(0) : std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(longest_ms)));
  const bool hangs = step.timeout_s && random_.chance(faults_.hangs);
  plan_end(command.task, now_ + command.wait + (hangs && !remote ? kNever : length));
  if (!remote && (hangs || random_.chance(90))) deliver_later_.push_back(sched::AttemptStarted{.task = command.task, .attempt = command.attempt});
}

void World::carry_out_clone(const sched::CloneTask& command) {
  if (stopping_ || cloning_done_ || !origin_) return broken("a task is cloned at the wrong time");
  if (command.task <= last_number_) return broken("task numbers do not count up");
  last_number_ = command.task;
  const Oracle::Task seen{.step = command.step,
                          .frames = {},
                          .iteration = -1,
                          .split_index = command.split_index,
                          .nodes = command.num_parallel,
                          .join = graph_.step(command.step).join,
                          .inputs = command.inputs};
  if (!oracle_->start(command.task, seen, true)) return broken("a task is cloned that is not expected");
  const Oracle::Place place = Oracle::place(oracle_->task(command.task));
  const auto found = before_.find(place);
  if (found == before_.end() || !found->second.ok || found->second.wrong) return broken("a task is cloned that was not ok");
  if (found->second.id != command.origin_task) return broken("another task is cloned");
  if (rerun_.count(command.step) > 0) return broken("a task is cloned whose step is to be executed");
  ++clones_;
  records_[place] = found->second;
  cloning_.push_back(command.task);
  const bool wide = graph_.step(command.step).kind == flow::StepKind::foreach &&
                    found->second.transition.splits.value_or(0) > limits_.max_num_splits;
  if (wide) may_fail_ = true;
  else oracle_->succeed(command.task, found->second.transition);
}

void World::check_cloned_all() {
  for (const Oracle::Task& task : oracle_->expected()) {
    const auto found = before_.find(Oracle::place(task));
    if (found != before_.end() && found->second.ok && !found->second.wrong && rerun_.count(task.step) == 0) {
      return broken(fmt::format("a finished task of step {} was not cloned", graph_.name(task.step)));
    }
  }
}

void World::carry_out_signal(const sched::SignalAttempt& command) {
  const auto found = attempts_.find(command.task);
  if (found == attempts_.end() || found->second.heard || found->second.attempt != command.attempt) return broken("what is not live is signalled");
  Attempt& attempt = found->second;
  if (command.signal == sched::Signal::kill) {
    attempt.exit_code = 137;
    plan_end(command.task, now_ + std::chrono::milliseconds(random_.below(1000)));
  } else if (!random_.chance(faults_.ignores_signals)) {
    attempt.exit_code = random_.chance(80) ? 1 : 0;
    plan_end(command.task, std::min(attempt.ends, now_ + std::chrono::milliseconds(random_.below(3000))));
  }
}

void World::carry_out_finish(const FinishRun& command) {
  finished_ = true;
  ++ends_[command.end];
  for (const auto& [number, attempt] : attempts_) {
    if (!attempt.heard) return broken("the run is finished while an attempt is live");
  }
  if (holding_) return broken("lines are still held");
  if (!cloning_.empty()) return broken("the run is finished while a task is cloned");
  switch (command.end) {
    case FinishRun::End::successful:
      if (!oracle_->end_reached() || !oracle_->expected().empty()) broken("the run is successful without having done everything");
      return;
    case FinishRun::End::cloned:
      return broken("a run that executes ends as cloned");
    case FinishRun::End::interrupted:
      if (!interrupted_) broken("the run was not interrupted");
      break;
    case FinishRun::End::failed:
      if (!may_fail_) broken("the run has failed without a reason");
      if (!command.failure || command.failure->headline.empty()) broken("the run has failed without saying why");
      break;
  }
  if (stopping_ && now_ > stopping_since_ + sched::kGrace + 1s) broken("stopping has taken too long");
}

}  // namespace headrace::sim
