#include "run/driver.h"

#include <signal.h>

#include <fmt/format.h>

#include <utility>

#include "run/pod_attempt.h"
#include "run/worker_team.h"

namespace headrace::run {

namespace {

constexpr Duration kFlushAgain = 2ms;

int number_of(sched::Signal signal) {
  switch (signal) {
    case sched::Signal::interrupt: return SIGINT;
    case sched::Signal::terminate: return SIGTERM;
    case sched::Signal::kill: return SIGKILL;
  }
  return SIGKILL;
}

}  // namespace

Driver::Driver(Parts parts, wire::RunSpec spec)
    : parts_(parts),
      spec_(std::move(spec)),
      lines_(parts.out),
      work_(parts.loop),
      watching_(parts.loop),
      deadline_(parts.loop, [this] { feed(sched::Tick{}); }),
      flush_timer_(parts.loop, [this] { flush_now(); }),
      lease_timer_(parts.loop, [this] { look_at_lease(); }),
      renewals_(parts.loop, parts.start_lease),
      preparation_(parts.loop, [this] { leave(); }),
      flushed_(parts.loop),
      room_(parts.loop),
      finished_(parts.loop),
      unheard_(parts.loop) {}

Driver::~Driver() = default;

loop::Async<int> Driver::run() {
  watching_.spawn(watch_signals());
  auto begun = co_await begin_run();
  if (!begun) {
    if (stopped_) {
      finish_ = sched::FinishRun{.end = sched::FinishRun::End::interrupted, .failure = {}, .failed_task = {}};
    } else {
      fail_before_start(begun.error());
    }
    co_return co_await end_run();
  }
  if (spec_.spin) co_return co_await spin();
  feed(sched::Begin{});
  // Asked for while the run was being set up.
  if (stopped_) feed(sched::Interrupted{});
  while (!finish_) co_await finished_.wait();
  co_await work_.wait();
  co_return co_await end_run();
}

void Driver::feed(const sched::Event& event) {
  if (!scheduler_) return;
  auto commands = scheduler_->apply(event, parts_.loop.now());
  for (sched::Command& command : commands) {
    std::visit([this](auto& each) { carry_out(std::move(each)); }, command);
  }
  if (auto next = scheduler_->next_deadline()) {
    deadline_.set(*next);
  } else {
    deadline_.cancel();
  }
}

LiveAttempt* Driver::find(sched::TaskNumber task, int attempt) {
  auto found = live_.find({task, attempt});
  return found == live_.end() ? nullptr : found->second.get();
}

void Driver::carry_out(sched::StartAttempt command) {
  auto live = std::make_unique<LiveAttempt>(parts_.loop);
  live->task = command.task;
  live->attempt = command.attempt;
  live->step = command.step;
  live->kind = command.kind;
  const bool in_pod = command.backend == flow::Backend::kubernetes && !spec_.spin;
  const Duration wait = command.wait;
  attempt::Assignment assignment = assignment_of(std::move(command));
  live->path = assignment.path;
  live->label = assignment.path.task.str();
  LiveAttempt* started = live.get();
  if (in_pod) {
    live->pod = std::make_unique<PodAttempt>(*this, *live, std::move(assignment), wait);
    live_[{started->task, started->attempt}] = std::move(live);
    work_.spawn(started->pod->run());
    return;
  }
  if (assignment.part == attempt::Part::control) live->team = std::make_unique<WorkerTeam>(*this, *live, assignment);
  live->session = std::make_unique<attempt::Session>(services(), std::move(assignment), live->team.get());
  live_[{started->task, started->attempt}] = std::move(live);
  work_.spawn(run_attempt(started));
}

void Driver::carry_out(sched::CloneTask command) { work_.spawn(clone_task(std::move(command))); }

void Driver::carry_out(sched::SignalAttempt command) {
  LiveAttempt* live = find(command.task, command.attempt);
  if (!live) return;
  if (live->pod) {
    live->pod->stop();
    if (stopped_) {
      // All attempts are told so, one by one: pods go in one request.
      remove_pods();
    } else {
      live->pod->remove();
    }
    return;
  }
  int number = number_of(command.signal);
  if (number == SIGKILL) live->killed = true;
  if (live->launch_id == 0) {
    live->signal_early = number;
  } else {
    parts_.launcher.signal_group(live->launch_id, number);
  }
  if (live->team) live->team->signal(number);
}

void Driver::carry_out(sched::MarkKilled command) {
  LiveAttempt* live = find(command.task, command.attempt);
  if (!live) return;
  for (Stream stream : {Stream::err, Stream::out}) own_line(*live, stream, "[KILLED BY ORCHESTRATOR]", true);
}

void Driver::carry_out(sched::SayTask command) {
  LiveAttempt* live = find(command.task, command.attempt);
  if (!live) return;
  lines_.task_note(parts_.loop.wall_now(), live->label, live->pid, command.text);
  if (command.store && live->log) live->log->add_note(Stream::err, command.text, parts_.loop.wall_now());
  flush_soon();
}

void Driver::carry_out(sched::SayRun command) {
  lines_.run_line(parts_.loop.wall_now(), command.text, command.bad);
  flush_soon();
}

void Driver::carry_out(sched::HoldLines) { lines_.hold(); }

void Driver::carry_out(sched::ReleaseLines command) {
  std::vector<console::RunLines::RunLine> first;
  for (sched::SayRun& line : command.first) first.push_back({.text = std::move(line.text), .bad = line.bad});
  lines_.release(parts_.loop.wall_now(), first);
  flush_soon();
}

void Driver::carry_out(sched::CloningDone) { work_.spawn(cloning_done()); }

void Driver::carry_out(sched::NotExecuted command) {
  lines_.run_line(parts_.loop.wall_now(),
                  fmt::format("Not executing non-cloned task for step '{}/{}/{}' in clone-only resume", spec_.flow,
                              facts_.identity.run.str(), spec_.graph.name(command.step)));
  flush_soon();
}

void Driver::carry_out(sched::FinishRun command) {
  finish_ = std::move(command);
  finished_.notify();
}

void Driver::broken(const Error& error) {
  if (!broken_) broken_ = error;
  std::string message = error.what;
  if (!error.where.empty()) message += " (" + error.where + ")";
  if (!error.why.empty()) message += ": " + error.why;
  feed(sched::RunBroken{.headline = "Run stopped", .message = std::move(message)});
}

void Driver::flush_soon() {
  if (flush_posted_) return;
  flush_posted_ = true;
  parts_.loop.post([this] { flush_now(); });
}

void Driver::flush_now() {
  flush_posted_ = false;
  bool all = parts_.out.flush();
  all = parts_.err.flush() && all;
  if (!all) {
    flush_posted_ = true;
    flush_timer_.set(parts_.loop.now() + kFlushAgain);
  }
  flushed_.notify();
  if (!parts_.out.full() || stopped_) room_.notify();
}

}  // namespace headrace::run
