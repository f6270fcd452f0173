#include "agent/agent.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "agent/assignment.h"
#include "agent/code_package.h"
#include "agent/task_files.h"
#include "loop/datagram_socket.h"
#include "store/local_metadata.h"
#include "store/origin.h"
#include "store/run_lease.h"

namespace headrace::agent {
namespace {

constexpr Duration kReportEvery = 1s;
/// For the pod's log to be taken at the end; whoever reads it is a process of the node.
constexpr Duration kFlushAtEnd = 2s;

/// As a shell counts: 128 + n for signal n.
int shell_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

std::string text_of(const Error& error) {
  std::string text = "headrace: " + error.what;
  if (!error.where.empty()) text += " (" + error.where + ")";
  if (!error.why.empty()) text += ": " + error.why;
  if (!error.next.empty()) text += ". " + error.next;
  return text;
}

logs::AttemptLog::Settings log_settings(const wire::AgentSpec& spec, const attempt::Assignment& assignment, Random& random) {
  return {.folder = spec.flow + "/" + assignment.path.task.str(),
          .attempt = spec.attempt,
          .bytes_max = spec.log_bytes_max,
          .id_seed = random.next(),
          .source = "task"};
}

}  // namespace

Agent::Agent(Parts parts, wire::AgentSpec spec, Surroundings surroundings)
    : parts_(parts),
      spec_(std::move(spec)),
      surroundings_(std::move(surroundings)),
      facts_(facts_of(spec_, surroundings_.python_version, surroundings_.folder + "/.metaflow")),
      assignment_(assignment_of(spec_)),
      records_(parts.data, parts.meta, facts_.identity),
      blobs_(parts.data, facts_.identity.flow),
      manifests_(parts.pool, parts.data, facts_.identity.flow),
      other_nodes_(assignment_, assignment_.num_parallel - 1),
      session_(services(), assignment_, assignment_.part == attempt::Part::control ? &other_nodes_ : nullptr),
      log_(parts.loop, parts.pool, parts.data, log_settings(spec_, assignment_, parts.random)),
      output_(parts.loop, parts.out, log_),
      report_file_(surroundings_.report),
      serving_(parts.loop),
      watching_(parts.loop),
      changed_(parts.loop),
      kill_timer_(parts.loop, [this] { if (task_ && !end_) ::kill(-*task_, SIGKILL); }),
      report_timer_(parts.loop, [this] { report(); }) {
  report_.python_version = surroundings_.python_version.substr(0, surroundings_.python_version.find(' '));
}

Agent::~Agent() = default;

attempt::Services Agent::services() {
  return attempt::Services{.loop = parts_.loop,
                           .pool = parts_.pool,
                           .records = records_,
                           .blobs = blobs_,
                           .manifests = manifests_,
                           .small_blobs = small_blobs_,
                           .facts = facts_,
                           .origin_blobs = nullptr};
}

loop::Async<int> Agent::run() {
  signals_ = std::make_unique<loop::Signals>(parts_.loop, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP, SIGCHLD});
  watching_.spawn(watch_signals());
  enter("fetching");
  auto committed = co_await look_for_commit();
  if (!committed) {
    not_started(std::move(committed).error());
  } else if (!*committed) {
    auto wanted = co_await look_for_launcher();
    if (wanted) co_await run_task();
    else not_started(std::move(wanted).error());
  }
  co_await store_end();
  signals_->close();
  co_await watching_.wait();
  co_return report_.exit_code == 0 ? exit_code() : report_.exit_code;
}

loop::Async<Result<bool>> Agent::look_for_commit() {
  if (spec_.try_number == 0) co_return false;
  auto work = [&data = parts_.data, flow = facts_.identity.flow, path = assignment_.path] {
    return store::read_committed(data, flow, path);
  };
  auto found = co_await parts_.pool.run(work);
  if (!found) co_return std::move(found).error();
  if (!*found) co_return false;
  store::OriginTask& task = **found;
  output_.say("headrace: an earlier try of this attempt has stored its result; it is not run again.");
  report_.committed = wire::ReportedCommit{
      .ok = task.ok, .has_transition = !task.next.empty(), .next = std::move(task.next), .splits = task.splits};
  report_.exit_code = task.ok ? 0 : 1;
  committed_before_ = true;
  co_return true;
}

/// A launcher that is gone takes no result. One that only slept makes a new try of what ended here.
loop::Async<Result<void>> Agent::look_for_launcher() {
  if (spec_.lease_s == 0) co_return Result<void>{};
  auto work = [&data = parts_.data, flow = facts_.identity.flow, run = facts_.identity.run] {
    return store::read_run_lease(data, flow, run);
  };
  auto found = co_await parts_.pool.run(work);
  if (!found) co_return std::move(found).error().at("looking for the run's launcher");
  if (!*found) co_return Result<void>{};
  const auto silent = std::chrono::duration_cast<std::chrono::seconds>(parts_.loop.wall_now() - **found).count();
  if (silent <= spec_.lease_s) co_return Result<void>{};
  report_.exit_code = wire::kExitLauncherGone;
  co_return Error{.kind = Kind::failed,
                  .what = "this pod runs nothing: the launcher of its run is gone",
                  .why = fmt::format("its last sign of life is {} s old, and {} s are waited for", silent, spec_.lease_s),
                  .next = "`resume` the run; HEADRACE_KUBERNETES_START_LEASE sets how long a pod waits for its launcher"};
}

loop::Async<void> Agent::run_task() {
  auto fetched = co_await fetch_code();
  if (!fetched || stopped_by_) {
    not_started(fetched ? Error{} : std::move(fetched).error());
    co_return;
  }
  warn_of_other_python();
  auto started = start_task();
  if (started) {
    co_await wait_for_task();
  } else {
    failed(std::move(started).error());
  }
}

loop::Async<Result<void>> Agent::fetch_code() {
  // The start of the attempt is stored meanwhile; what goes wrong there, the session remembers and tells the task.
  serving_.spawn([](Agent* self) -> loop::Async<void> { (void)co_await self->session_.ensure_begun(); }(this));
  auto work = [&blobs = blobs_, &meta = parts_.meta, code = spec_.code, folder = surroundings_.folder, identity = facts_.identity,
               now = parts_.loop.wall_now()]() -> Result<void> {
    HR_TRY(unpack_code(blobs, code, folder));
    return store::RunRecords::register_run(meta, identity, now);
  };
  co_return co_await parts_.pool.run(work);
}

void Agent::warn_of_other_python() {
  const auto warning = other_python_warning(spec_.sys_version, surroundings_.python_version);
  if (warning) output_.say(*warning);
}

Result<void> Agent::start_task() {
  auto out = HR_TRY(loop::make_pipe());
  auto err = HR_TRY(loop::make_pipe());
  auto door = HR_TRY(loop::make_datagram_pair());
  TaskFiles files{.spec = spec_, .surroundings = surroundings_};
  ChildStart start{.command = HR_TRY(task_command(files)),
                   .environment = task_environment(files, door.second.get()),
                   .folder = surroundings_.folder,
                   .out = std::move(out.second),
                   .err = std::move(err.second),
                   .door = std::move(door.second)};
  task_ = HR_TRY(start_child(std::move(start)));
  enter("running");
  output_.follow(std::move(out.first), std::move(err.first));
  serving_.spawn(session_.serve(loop::DatagramSocket(parts_.loop, std::move(door.first))));
  // It may have ended before anybody looked.
  if (auto ended = reap(*task_)) end_ = ended;
  return {};
}

loop::Async<void> Agent::wait_for_task() {
  while (!end_) co_await changed_.wait();
  kill_timer_.cancel();
  report_.exit_code = shell_code(end_->status);
  report_.signal = WIFSIGNALED(end_->status) ? WTERMSIG(end_->status) : 0;
  enter("storing");
  co_await output_.finish();
  session_.stop();
}

loop::Async<void> Agent::store_end() {
  if (!task_) {
    enter("storing");
    session_.stop();
  }
  co_await serving_.wait();
  if (const auto& committed = session_.committed()) {
    report_.committed = wire::ReportedCommit{
        .ok = committed->ok, .has_transition = committed->has_transition, .next = committed->next, .splits = committed->splits};
  }
  if (session_.trouble() && !report_.trouble) report_.trouble = session_.trouble();
  auto logged = co_await log_.close();
  report_.lines_stored = log_.lines_stored();
  if (!logged && !report_.trouble) report_.trouble = std::move(logged).error();
  // Of an attempt that has not begun there is none, and an empty one would hide what the run can say.
  const bool has_begun = !committed_before_ && report_.exit_code != wire::kExitLauncherGone;
  if (has_begun) co_await send_metadata();
  if (!task_ && !committed_before_ && report_.exit_code == 0) report_.exit_code = stopped_by_ ? 128 + *stopped_by_ : 1;
  enter("done");
  report_timer_.cancel();
  co_await output_.flush(kFlushAtEnd);
}

/// Of this try only: what an earlier one has not sent is made from its result by the run.
loop::Async<void> Agent::send_metadata() {
  auto pack = [&data = parts_.data, &meta = parts_.meta, flow = facts_.identity.flow, path = assignment_.path,
               now = parts_.loop.wall_now()] { return store::store_local_metadata(data, meta, flow, path, now); };
  auto packed = co_await parts_.pool.run(pack);
  if (packed) co_return;
  // Without its metadata no client finds what the attempt has stored.
  if (!report_.trouble) report_.trouble = std::move(packed).error();
  if (report_.exit_code == 0) report_.exit_code = 1;
}

int Agent::exit_code() const { return report_.committed ? 0 : 1; }

loop::Async<void> Agent::watch_signals() {
  while (const int number = co_await signals_->next()) {
    if (number == SIGCHLD) {
      auto ended = reap(task_.value_or(0));
      if (ended) end_ = ended;
    } else if (!stopped_by_) {
      stopped_by_ = number;
      stop_task();
    }
    changed_.notify();
  }
}

void Agent::stop_task() {
  // What is being fetched is not needed any more, and storage may be what does not answer.
  if (report_.stage == "fetching") parts_.data.stop();
  if (!task_ || end_) return;
  ::kill(-*task_, SIGTERM);
  kill_timer_.set(parts_.loop.now() + std::chrono::seconds(spec_.grace_s));
}

void Agent::not_started(Error why) {
  if (stopped_by_) {
    why = Error{.kind = Kind::failed, .what = fmt::format("this pod was told to end, by signal {}, before its task had started", *stopped_by_)};
    report_.exit_code = 128 + *stopped_by_;
  }
  failed(std::move(why));
}

void Agent::failed(Error error) {
  output_.say(text_of(error));
  if (!report_.trouble) report_.trouble = std::move(error);
}

void Agent::enter(std::string stage) {
  report_.stage = std::move(stage);
  report();
}

void Agent::report() {
  report_.peak_kb = std::max(memory_.sample_kb(), end_ ? end_->peak_kb : 0);
  if (report_.stage != "done") report_.lines_stored = log_.lines_stored();
  auto written = report_file_.write(report_);
  if (!written && !std::exchange(report_failed_, true)) output_.say(text_of(written.error()));
  report_timer_.set(parts_.loop.now() + kReportEvery);
}

int cannot_begin(console::Output& out, const std::string& report_path, Error error) {
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  std::string line;
  append_pod_line(line, 1, logs::Stream::err, now, text_of(error));
  out.write(line);
  wire::AgentReport report{.stage = "done", .exit_code = 1};
  report.trouble = std::move(error);
  auto written = ReportFile(report_path).write(report);
  if (!written) {
    line.clear();
    append_pod_line(line, 2, logs::Stream::err, now, text_of(written.error()));
    out.write(line);
  }
  return report.exit_code;
}

}  // namespace headrace::agent
