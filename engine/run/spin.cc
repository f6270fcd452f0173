// `spin`: one step once more, with the inputs of an earlier task; no scheduler, no other task.
#include <fmt/format.h>

#include <utility>

#include "run/driver.h"

namespace headrace::run {

attempt::Assignment Driver::spin_assignment(sched::StartAttempt command) const {
  const flow::Step& step = spec_.graph.step(command.step);
  attempt::Assignment assignment{
      .path = {.task = path_of({.step = command.step, .task = command.task}), .attempt = command.attempt},
      .split_index = command.split_index,
      .join = step.join,
      .inputs = {},
      .parameters = {},
  };
  for (const std::string& input : spec_.spin->inputs) {
    if (auto path = parse_task_path(input)) assignment.inputs.push_back(std::move(*path));
  }
  assignment.parameters = TaskPath{.run = assignment.inputs.empty() ? facts_.identity.run : assignment.inputs.front().run,
                                   .step = StepName("_parameters"),
                                   .task = TaskId("0")};
  return assignment;
}

loop::Async<int> Driver::spin() {
  const wire::SpinSpec& wanted = *spec_.spin;
  carry_out(sched::StartAttempt{.task = 0, .attempt = 0, .kind = sched::AttemptKind::normal, .step = wanted.step,
                                .split_index = wanted.split_index});
  co_await work_.wait();
  co_return co_await end_run();
}

void Driver::spin_ended(LiveAttempt& live, int exit_code) {
  bool successful = exit_code == 0;
  std::string_view said = successful ? "Task finished successfully." : "Task failed.";
  WallTime now = parts_.loop.wall_now();
  lines_.task_note(now, live.label, live.pid, said);
  if (!successful && live.log) live.log->add_note(Stream::err, said, now);
  lines_.run_line(now, said, !successful);
  flush_soon();
  using End = sched::FinishRun::End;
  sched::FinishRun finish{.end = successful ? End::successful : stopped_ ? End::interrupted : End::failed,
                          .failure = {},
                          .failed_task = {}};
  if (finish.end == End::failed) {
    finish.failure = sched::Failure{.headline = "Step failure",
                                    .message = fmt::format("Step *{}* (task-id 0) failed: Task failed with return code {}.",
                                                           spec_.graph.name(live.step), exit_code)};
    finish.failed_task = sched::TaskRef{.step = live.step, .task = 0};
  }
  finish_ = std::move(finish);
}

}  // namespace headrace::run
