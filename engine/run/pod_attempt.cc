#include "run/pod_attempt.h"

#include <unistd.h>

#include <fmt/format.h>

#include <utility>

#include "run/driver.h"
#include "run/pod_log.h"
#include "store/local_metadata.h"
#include "store/origin.h"
#include "store/reader.h"

namespace headrace::run {

namespace {

constexpr int kKilled = 128 + 9;

std::string_view start_line(sched::AttemptKind kind) {
  return kind == sched::AttemptKind::retry ? "Task is starting (retry)." : "Task is starting.";
}

}  // namespace

PodAttempt::PodAttempt(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, Duration wait)
    : driver_(driver),
      live_(live),
      assignment_(std::move(assignment)),
      wait_(wait),
      stop_asked_(driver.parts_.loop) {}

std::string PodAttempt::shown(std::string_view text) const {
  return pod_.empty() ? std::string(text) : fmt::format("[pod {}] {}", pod_, text);
}

void PodAttempt::note(std::string line) { driver_.own_line(live_, Stream::err, shown(line), true); }

void PodAttempt::placed(std::string pod) {
  pod_ = std::move(pod);
  began_ = true;
}

void PodAttempt::output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) {
  driver_.lines_.task_line(when, live_.label, live_.pid, shown(line));
  // The bootstrap's own words: no agent is there yet that could store them.
  if (!seq && live_.log) live_.log->add_note(err ? Stream::err : Stream::out, std::string(line) + "\n", when);
  driver_.flush_soon();
}

void PodAttempt::stop() {
  stopped_ = true;
  stop_asked_.notify();
}

launch::PodStart PodAttempt::start() const {
  const wire::RunSpec& spec = driver_.spec_;
  const wire::PodSettings& settings = spec.pods.at(live_.step);
  launch::PodStart start{.step = spec.graph.name(live_.step),
                         .label = live_.label,
                         .attempt = live_.attempt,
                         .settings = &settings,
                         .agent_spec = driver_.agent_spec_of(assignment_),
                         .environment = spec.pod_run->environment,
                         .annotations = {}};
  const wire::CodePackage& code = driver_.package_;
  start.environment["METAFLOW_RUN_ID"] = driver_.facts_.identity.run.str();
  start.environment["METAFLOW_CODE_SHA"] = code.sha;
  start.environment["METAFLOW_CODE_URL"] = code.url;
  start.environment["METAFLOW_CODE_METADATA"] = code.metadata;
  start.environment["METAFLOW_CODE_DS"] = spec.datastore_type;
  return start;
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
  launch::PodStart wanted = start();
  auto running = driver_.parts_.pods->run(std::move(wanted), *this);
  auto ended = co_await driver_.unless_left(std::move(running));
  if (!ended) {
    // Nobody waits for records any longer; the agent's own are whole.
    driver_.feed(sched::AttemptEnded{.task = live_.task, .attempt = live_.attempt, .exit_code = kKilled, .transition = {}});
    co_return;
  }
  PodVerdict verdict = co_await judge(std::move(*ended));
  co_await finish(std::move(verdict));
}

loop::Async<PodVerdict> PodAttempt::judge(Result<launch::PodEnd> end) {
  if (!end) co_return verdict_of(std::move(end).error());
  end_ = std::move(*end);
  live_.killed = end_->outcome == launch::PodOutcome::stopped;
  auto committed = committed_of(*end_);
  if (end_->started && must_look(*end_)) {
    auto work = [&data = driver_.parts_.data, flow = driver_.facts_.identity.flow, path = live_.path] {
      return store::read_committed(data, flow, path);
    };
    auto found = co_await driver_.parts_.pool.run(work);
    if (!found) {
      PodVerdict verdict = verdict_of(*end_, {});
      if (!verdict.cause) verdict.cause = std::move(found).error();
      co_return verdict;
    }
    if (*found) {
      store::OriginTask& task = **found;
      committed = attempt::Committed{.ok = task.ok, .has_transition = !task.next.empty(), .next = std::move(task.next), .splits = task.splits};
    }
  }
  co_return verdict_of(*end_, committed);
}

void PodAttempt::say_cause(const Error& cause) {
  std::string what = "Kubernetes error: " + cause.what;
  if (!cause.where.empty()) what += fmt::format(" ({})", cause.where);
  driver_.own_line(live_, Stream::err, std::move(what), true);
  if (!cause.why.empty()) driver_.own_line(live_, Stream::err, "why: " + cause.why, true);
  if (!cause.next.empty()) driver_.own_line(live_, Stream::err, "next: " + cause.next, true);
}

loop::Async<void> PodAttempt::finish(PodVerdict verdict) {
  const flow::Step& step = driver_.spec_.graph.step(live_.step);
  const bool asked_for = live_.killed && stopped_;
  if (verdict.cause && !asked_for) say_cause(*verdict.cause);
  if (verdict.exit_code != 0) {
    FailureFact fact{.step = step.name.str(), .label = live_.label, .exit_code = verdict.exit_code, .killed_by_us = asked_for,
                     .resources = step.resources, .pod_cause = verdict.cause};
    driver_.facts_of_failures_.add(live_.task, std::move(fact));
  }
  driver_.feed(sched::AttemptEnded{
      .task = live_.task, .attempt = live_.attempt, .exit_code = verdict.exit_code, .transition = verdict.transition,
      .hopeless = verdict.hopeless});
  auto settled = co_await settle_records();
  if (!settled) driver_.broken(std::move(settled).error().at("ending " + live_.label));
  auto logged = co_await live_.log->close();
  if (!logged) driver_.broken(std::move(logged).error().at("ending " + live_.label));
  store::ProcessEnd end{.return_code = verdict.exit_code, .killed = live_.killed, .success = verdict.exit_code == 0};
  auto work = [&records = *driver_.records_, path = live_.path, end] { return records.ended(path, end); };
  auto stored = co_await driver_.parts_.pool.run(work);
  if (!stored) driver_.broken(std::move(stored).error().at("ending " + live_.label));
  driver_.retire(live_);
}

/// The metadata that the agent has sent, or what can be said without it.
loop::Async<Result<void>> PodAttempt::settle_records() {
  if (end_ && !end_->started) {
    auto note = [&records = *driver_.records_, path = live_.path, fields = driver_.pod_fields(), now = driver_.parts_.loop.wall_now()] {
      return records.note_unstarted(path, fields, now);
    };
    co_return co_await driver_.parts_.pool.run(note);
  }
  auto work = [&data = driver_.parts_.data, &meta = driver_.parts_.meta, &records = *driver_.records_,
               flow = driver_.facts_.identity.flow, path = live_.path, fields = driver_.pod_fields(),
               now = driver_.parts_.loop.wall_now()]() -> Result<void> {
    if (HR_TRY(store::fetch_local_metadata(data, meta, flow, path))) return {};
    // Where one directory is both, the agent has written everything in its place.
    if (&data == &meta) return {};
    auto committed = store::read_committed(data, flow, path);
    const store::OriginTask* task = committed && *committed ? &**committed : nullptr;
    return records.restore(path, task != nullptr ? &task->manifest : nullptr, task != nullptr && task->ok, fields, now);
  };
  auto settled = co_await driver_.parts_.pool.run(work);
  if (!settled) co_return std::move(settled).error();
  co_return co_await complete_log();
}

loop::Async<Result<void>> PodAttempt::complete_log() {
  if (!end_ || end_->pod.empty()) co_return Result<void>{};
  const std::uint64_t stored = end_->report ? end_->report->lines_stored : 0;
  if (end_->lines <= stored) co_return Result<void>{};
  PodLog lost;
  auto reading = driver_.parts_.pods->read_log(end_->namespace_, end_->pod, stored, lost);
  auto read = co_await driver_.unless_left(std::move(reading));
  if (!read) co_return Result<void>{};
  if (!*read) {
    // The pod may be gone by now. The run's result does not depend on it, so it is said and not more.
    const Error& error = read->error();
    driver_.own_line(live_, Stream::err,
                     fmt::format("The last lines of this task could not be stored: {}{}{}", error.what, error.why.empty() ? "" : ": ", error.why),
                     true);
    co_return Result<void>{};
  }
  auto work = [&lost, &data = driver_.parts_.data, key = driver_.spec_.flow + "/" + live_.label, attempt = live_.attempt,
               most = static_cast<std::uint64_t>(driver_.spec_.limits.max_log_bytes), seed = driver_.parts_.random.next()] {
    return lost.store(data, key, attempt, most, seed);
  };
  co_return co_await driver_.parts_.pool.run(work);
}

}  // namespace headrace::run
