#include "run/pod_task.h"

#include <fmt/format.h>

#include <utility>

#include "run/driver.h"
#include "run/pod_log.h"
#include "store/local_metadata.h"
#include "store/origin.h"
#include "store/reader.h"

namespace headrace::run {

PodTask::PodTask(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, std::map<std::string, std::string> environment)
    : driver_(driver), live_(live), assignment_(std::move(assignment)), environment_(std::move(environment)) {}

std::string PodTask::shown(std::string_view text) const {
  return pod_.empty() ? std::string(text) : fmt::format("[pod {}] {}", pod_, text);
}

void PodTask::note(std::string line) { driver_.own_line(live_, Stream::err, shown(line), true); }

void PodTask::placed(std::string pod) { pod_ = std::move(pod); }

void PodTask::reachable(const std::string& address) {
  if (told_) std::exchange(told_, nullptr)(address);
}

void PodTask::output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) {
  // After an interrupt nobody waits for a terminal that is behind, and lines that nobody sees must not fill it up.
  if (!driver_.stopped_ || !driver_.parts_.out.full()) driver_.lines_.task_line(when, live_.label, live_.pid, shown(line));
  // The bootstrap's own words: no agent is there yet that could store them.
  if (!seq && live_.log) live_.log->add_note(err ? Stream::err : Stream::out, std::string(line) + "\n", when);
  driver_.flush_soon();
}

loop::Async<void> PodTask::room() {
  while (driver_.parts_.out.full() && !driver_.parts_.out.broken() && !driver_.stopped_) co_await driver_.room_.wait();
}

launch::PodStart PodTask::start() const {
  const wire::RunSpec& spec = driver_.spec_;
  const wire::PodSettings& settings = spec.pods.at(live_.step);
  launch::PodStart start{.step = spec.graph.name(live_.step),
                         .label = live_.label,
                         .attempt = live_.attempt,
                         .settings = &settings,
                         .agent_spec = driver_.agent_spec_of(assignment_),
                         .environment = spec.pod_run->environment,
                         .annotations = {},
                         .alone = assignment_.part == attempt::Part::none};
  const wire::CodePackage& code = driver_.package_;
  start.environment["METAFLOW_RUN_ID"] = driver_.facts_.identity.run.str();
  start.environment["METAFLOW_CODE_SHA"] = code.sha;
  start.environment["METAFLOW_CODE_URL"] = code.url;
  start.environment["METAFLOW_CODE_METADATA"] = code.metadata;
  start.environment["METAFLOW_CODE_DS"] = spec.datastore_type;
  for (const auto& [name, value] : environment_) start.agent_spec.environment[name] = value;
  return start;
}

loop::Async<std::optional<PodVerdict>> PodTask::run() {
  launch::PodStart wanted = start();
  auto running = driver_.parts_.pods->run(std::move(wanted), *this);
  auto ended = co_await driver_.unless_left(std::move(running));
  if (!ended) co_return std::nullopt;
  PodVerdict verdict = co_await judge(std::move(*ended));
  co_return verdict;
}

loop::Async<PodVerdict> PodTask::judge(Result<launch::PodEnd> end) {
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

void PodTask::say_cause(const Error& cause) {
  std::string what = "Kubernetes error: " + cause.what;
  if (!cause.where.empty()) what += fmt::format(" ({})", cause.where);
  driver_.own_line(live_, Stream::err, std::move(what), true);
  if (!cause.why.empty()) driver_.own_line(live_, Stream::err, "why: " + cause.why, true);
  if (!cause.next.empty()) driver_.own_line(live_, Stream::err, "next: " + cause.next, true);
}

loop::Async<void> PodTask::settle(int exit_code) {
  auto settled = co_await settle_records();
  if (!settled) driver_.broken(std::move(settled).error().at("ending " + live_.label));
  auto logged = co_await live_.log->close();
  if (!logged) driver_.broken(std::move(logged).error().at("ending " + live_.label));
  store::ProcessEnd end{.return_code = exit_code, .killed = live_.killed, .success = exit_code == 0};
  auto work = [&records = *driver_.records_, path = live_.path, end] { return records.ended(path, end); };
  auto stored = co_await driver_.parts_.pool.run(work);
  if (!stored) driver_.broken(std::move(stored).error().at("ending " + live_.label));
}

/// The metadata that the agent has sent, or what can be said without it.
loop::Async<Result<void>> PodTask::settle_records() {
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

loop::Async<Result<void>> PodTask::complete_log() {
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
