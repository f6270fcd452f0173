// From the scheduler's StartAttempt to a process that runs.
#include <fmt/format.h>

#include <utility>

#include "run/driver.h"
#include "run/worker_team.h"

namespace headrace::run {

TaskPath Driver::path_of(const sched::TaskRef& ref) const {
  std::string task = std::to_string(ref.task);
  if (ref.node > 0) task = fmt::format("{}_node_{}", ref.task, ref.node);
  StepName step = ref.step == sched::kParametersStep ? StepName("_parameters") : spec_.graph.step(ref.step).name;
  return TaskPath{.run = facts_.identity.run, .step = std::move(step), .task = TaskId(std::move(task))};
}

attempt::Assignment Driver::assignment_of(sched::StartAttempt command) const {
  if (spec_.spin) return spin_assignment(std::move(command));
  attempt::Assignment assignment{
      .path = {.task = path_of({.step = command.step, .task = command.task}), .attempt = command.attempt},
      .max_user_code_retries = command.user_retries,
      // The control task is node 0 of its own split.
      .split_index = command.num_parallel > 0 ? std::optional<std::int64_t>(0) : command.split_index,
      .join = command.join,
      .inputs = {},
      .parameters = path_of({}),
      .part = command.num_parallel > 0 ? attempt::Part::control : attempt::Part::none,
      .num_parallel = command.num_parallel,
  };
  assignment.inputs.reserve(command.inputs.size());
  for (const sched::TaskRef& input : command.inputs) assignment.inputs.push_back(path_of(input));
  return assignment;
}

attempt::Services Driver::services() {
  return attempt::Services{.loop = parts_.loop,
                           .pool = parts_.pool,
                           .records = *records_,
                           .blobs = *blobs_,
                           .manifests = *manifests_,
                           .small_blobs = small_blobs_,
                           .facts = facts_,
                           .origin_blobs = input_blobs_.get()};
}

std::unique_ptr<logs::AttemptLog> Driver::make_log(const LiveAttempt& live) {
  return std::make_unique<logs::AttemptLog>(
      parts_.loop, parts_.pool, parts_.data,
      logs::AttemptLog::Settings{.folder = fmt::format("{}/{}", spec_.flow, live.label),
                                 .attempt = live.attempt,
                                 .bytes_max = static_cast<std::uint64_t>(spec_.limits.max_log_bytes),
                                 .id_seed = parts_.random.next()});
}

loop::Async<void> Driver::run_attempt(LiveAttempt* live) {
  auto launched = co_await launch(live);
  if (!launched) {
    co_await end_attempt(live, std::move(launched).error());
    co_return;
  }
  if (live->signal_early) parts_.launcher.signal_group(live->launch_id, *live->signal_early);
  std::string_view said = live->kind == sched::AttemptKind::normal  ? "Task is starting."
                          : live->kind == sched::AttemptKind::retry ? "Task is starting (retry)."
                                                                    : "Task fallback is starting to handle the failure.";
  lines_.task_note(parts_.loop.wall_now(), live->label, live->pid, said);
  flush_soon();
  feed(sched::AttemptStarted{.task = live->task, .attempt = live->attempt});
  live->pipes_open = 2;
  live->reading.spawn(pump(live, Stream::out));
  live->reading.spawn(pump(live, Stream::err));
  auto exit = co_await parts_.launcher.exited(live->launch_id);
  co_await end_attempt(live, std::move(exit));
}

loop::Async<Result<void>> Driver::launch(LiveAttempt* live) {
  const flow::Step& step = spec_.graph.step(live->step);
  live->log = make_log(*live);
  launch::TaskStart start{.step = step.name.str(),
                          .label = live->label,
                          .attempt = live->attempt,
                          .fresh = step.fresh,
                          .environment = step.environment};
  std::optional<launch::OutputEnds> ends;
  if (live->team) {
    auto made = live->team->make_output();
    if (!made) co_return std::move(made).error();
    ends = *made;
  }
  auto started = co_await parts_.launcher.start(std::move(start), ends);
  if (!started) co_return std::move(started).error();
  live->launch_id = started->id;
  live->pid = started->pid;
  if (live->team) live->team->take_read_ends(started->out, started->err);
  live->pipes[0] = std::make_unique<loop::PipeReader>(parts_.loop, std::move(started->out));
  live->pipes[1] = std::make_unique<loop::PipeReader>(parts_.loop, std::move(started->err));
  live->serving.spawn(live->session->serve(loop::DatagramSocket(parts_.loop, std::move(started->door))));
  co_return Result<void>{};
}

}  // namespace headrace::run
