#include "run/pod_attempt.h"

#include <unistd.h>

#include <fmt/format.h>

#include <utility>

#include "run/driver.h"
#include "run/pod_nodes.h"

namespace headrace::run {

namespace {

constexpr int kKilled = 128 + 9;

std::string_view start_line(sched::AttemptKind kind) {
  return kind == sched::AttemptKind::retry ? "Task is starting (retry)." : "Task is starting.";
}

}  // namespace

PodAttempt::PodAttempt(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, Duration wait)
    : driver_(driver), live_(live), wait_(wait), task_(driver, live, assignment), stop_asked_(driver.parts_.loop) {
  if (assignment.part != attempt::Part::control) return;
  nodes_ = std::make_unique<PodNodes>(driver, live, assignment);
  task_.on_address([this](const std::string& address) { nodes_->start(address); });
}

PodAttempt::~PodAttempt() = default;

void PodAttempt::stop() {
  stopped_ = true;
  stop_asked_.notify();
  if (nodes_) nodes_->close();
}

void PodAttempt::remove() {
  // The pod that has failed stays for a while, to be looked at.
  driver_.parts_.pods->stop(live_.label, live_.attempt);
  if (nodes_) nodes_->remove();
}

loop::Async<bool> PodAttempt::wait_before_retry() {
  if (wait_ <= Duration(0)) co_return !stopped_;
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(wait_).count();
  driver_.own_line(live_, Stream::err, fmt::format("Sleeping {} minutes before the next retry", minutes), true);
  const Instant until = driver_.parts_.loop.now() + wait_;
  while (!stopped_ && driver_.parts_.loop.now() < until) {
    if (!co_await stop_asked_.wait_until(until)) break;
  }
  co_return !stopped_;
}

loop::Async<void> PodAttempt::run() {
  live_.pid = ::getpid();
  live_.log = driver_.make_log(live_);
  driver_.lines_.task_note(driver_.parts_.loop.wall_now(), live_.label, live_.pid, start_line(live_.kind));
  driver_.flush_soon();
  const bool go_on = co_await wait_before_retry();
  if (!go_on) {
    live_.killed = true;
    PodVerdict verdict{.exit_code = kKilled, .transition = {}, .cause = {}};
    co_await finish(std::move(verdict));
    co_return;
  }
  auto verdict = co_await task_.run();
  if (nodes_) verdict = co_await nodes_->end(std::move(verdict));
  if (!verdict) {
    // Nobody waits for records any longer; the agents' own are whole.
    driver_.feed(sched::AttemptEnded{.task = live_.task, .attempt = live_.attempt, .exit_code = kKilled, .transition = {}});
    co_return;
  }
  co_await finish(*std::move(verdict));
}

loop::Async<void> PodAttempt::finish(PodVerdict verdict) {
  const flow::Step& step = driver_.spec_.graph.step(live_.step);
  const bool asked_for = live_.killed && stopped_;
  if (verdict.cause && !asked_for) task_.say_cause(*verdict.cause);
  if (verdict.exit_code != 0) {
    FailureFact fact{.step = step.name.str(), .label = live_.label, .exit_code = verdict.exit_code, .killed_by_us = asked_for,
                     .resources = step.resources, .pod_cause = verdict.cause};
    driver_.facts_of_failures_.add(live_.task, std::move(fact));
  }
  driver_.feed(sched::AttemptEnded{
      .task = live_.task, .attempt = live_.attempt, .exit_code = verdict.exit_code, .transition = verdict.transition,
      .hopeless = verdict.hopeless, .lost = verdict.lost});
  co_await task_.settle(verdict.exit_code);
  driver_.retire(live_);
}

}  // namespace headrace::run
