// Going on from an earlier run: its finished tasks are cloned by reference, the rest is executed.
#include <fmt/format.h>

#include <utility>

#include "base/together.h"
#include "run/driver.h"
#include "store/local_metadata.h"
#include "store/reader.h"
#include "store/run_copies.h"

namespace headrace::run {

namespace {

/// How often those who do not lead a resume look whether it is done.
constexpr Duration kLookAtLeader = 1s;

/// The records of attempts that ended in pods while no launcher lived: their agents have sent them, and nobody has taken them.
Result<void> fetch_records(store::Backend& data, store::Backend& meta, const FlowName& flow, const store::OriginRun& origin) {
  if (&data == &meta) return {};
  const auto fetch = [&](std::size_t i) -> Result<void> {
    const store::OriginTask& task = origin.tasks[i];
    const std::string self = HR_TRY(store::task_key(flow, task.path)) + "/_meta/_self.json";
    if (HR_TRY(meta.size(self))) return {};
    for (int attempt = 0; attempt <= task.attempt; ++attempt) {
      HR_TRY(store::fetch_local_metadata(data, meta, flow, {.task = task.path, .attempt = attempt}));
    }
    return {};
  };
  return together(origin.tasks.size(), data.at_once(), fetch);
}

}  // namespace

loop::Async<Result<void>> Driver::begin_resume() {
  lines_.run_line(parts_.loop.wall_now(), "Gathering required information to resume run (this may take a bit of time)...");
  flush_soon();
  auto read_work = [&data = parts_.data, &meta = parts_.meta, flow = FlowName(spec_.flow),
                    run = RunId(spec_.resume->origin_run_id), shared = parts_.copy != nullptr, now = parts_.loop.wall_now()]() -> Result<store::OriginRun> {
    store::OriginRun origin = HR_TRY(store::read_origin(data, flow, run));
    if (shared) HR_TRY(store::RunCopies{}.bring_run(data, meta, flow, run, now));
    HR_TRY(fetch_records(data, meta, flow, origin));
    return origin;
  };
  auto read = co_await parts_.pool.run(read_work);
  if (!read) {
    if (read.error().kind != Kind::missing) co_return std::move(read).error();
    co_return Error{.kind = Kind::missing,
                    .what = "Flow failed",
                    .where = {},
                    .why = fmt::format("run `{}` of `{}`, which is to be resumed, has no records in {}", spec_.resume->origin_run_id,
                                       spec_.flow, spec_.datastore_root),
                    .next = "check --origin-run-id and --datastore-root"};
  }
  origin_ = std::make_unique<store::OriginRun>(std::move(*read));
  for (std::size_t i = 0; i < origin_->tasks.size(); ++i) origin_by_id_[origin_->tasks[i].path.task.str()] = i;
  co_return Result<void>{};
}

loop::Async<Result<bool>> Driver::lead_resume() {
  const std::string& name = *spec_.resume->reentrant_as;
  const TaskId task = path_of({}).task;
  const auto say = [this, label = path_of({}).str()](std::string_view text) {
    lines_.task_note(parts_.loop.wall_now(), label, std::nullopt, text);
    flush_soon();
  };
  auto lead_work = [&records = *records_, task, name] { return records.resume_leader(task, name); };
  auto leader = co_await parts_.pool.run(lead_work);
  if (!leader) co_return std::move(leader).error();
  say(fmt::format("Resume leader is {}.", *leader));
  const bool leads = *leader == name;
  if (leads) say("Selected as the reentrant clone leader.");
  bool waiting = false;
  while (!stopped_) {
    auto done_work = [&records = *records_, task] { return records.is_resume_done(task); };
    auto done = co_await parts_.pool.run(done_work);
    if (!done) co_return std::move(done).error();
    if (*done) {
      lines_.run_line(parts_.loop.wall_now(), "Resume already complete. Skip clone-only execution.");
      flush_soon();
      co_return false;
    }
    if (leads) co_return true;
    if (!std::exchange(waiting, true)) say("Waiting for resume leader to complete.");
    co_await parts_.loop.sleep_for(kLookAtLeader);
  }
  co_return Error{.what = "the resume was stopped before its leader had done it"};
}

sched::Origin Driver::origin_for_scheduler() const {
  sched::Origin origin{.tasks = {}, .rerun = spec_.resume->rerun, .clone_only = spec_.resume->clone_only};
  for (const store::OriginTask& task : origin_->tasks) {
    auto step = spec_.graph.find(task.path.step.str());
    if (!step) continue;
    sched::OriginTask known{.step = *step,
                            .indices = {task.foreach_index.begin(), task.foreach_index.end()},
                            .iteration = task.iteration.empty() ? -1 : task.iteration.back(),
                            .ok = task.ok,
                            .transition = {},
                            .task_id = task.path.task.str()};
    if (task.ok) known.transition = sched::Transition{.next = task.next, .splits = task.splits};
    origin.tasks.push_back(std::move(known));
  }
  return origin;
}

loop::Async<void> Driver::clone_task(sched::CloneTask command) {
  TaskPath target = path_of({.step = command.step, .task = command.task});
  // With nothing to be executed beside them, clones keep their ids, as Metaflow's do: who clones a second time finds them.
  if (spec_.resume->clone_only) target.task = TaskId(command.origin_task);
  auto cloned = co_await clone_one(command.origin_task, target);
  for (std::uint32_t node = 1; cloned && node < command.num_parallel; ++node) {
    TaskPath worker = target;
    worker.task = TaskId(fmt::format("{}_node_{}", target.task.str(), node));
    cloned = co_await clone_one(fmt::format("{}_node_{}", command.origin_task, node), std::move(worker));
  }
  if (!cloned) {
    broken(std::move(cloned).error());
    co_return;
  }
  feed(sched::TaskCloned{.task = command.task});
}

loop::Async<Result<void>> Driver::clone_one(std::string origin_task, TaskPath target) {
  auto found = origin_by_id_.find(origin_task);
  if (found == origin_by_id_.end() || !origin_->tasks[found->second].ok) {
    co_return Error{.kind = Kind::missing,
                    .what = fmt::format("task `{}` of the run to resume cannot be cloned", origin_task),
                    .where = spec_.flow + "/" + spec_.resume->origin_run_id,
                    .why = "its records are missing or not complete",
                    .next = fmt::format("resume from step `{}`", target.step.str())};
  }
  const store::OriginTask& task = origin_->tasks[found->second];
  if (spec_.resume->reentrant_as) {
    // A leader that was killed may have come so far.
    auto done_work = [&records = *records_, target] { return records.is_done({.task = target, .attempt = 0}); };
    auto done = co_await parts_.pool.run(done_work);
    if (!done) co_return std::move(done).error();
    if (*done) {
      lines_.task_note(parts_.loop.wall_now(), target.str(), std::nullopt, "Skipping cloning of previously run task " + task.path.str());
      flush_soon();
      co_return Result<void>{};
    }
  }
  lines_.task_note(parts_.loop.wall_now(), target.str(), std::nullopt, "Cloning previously run task " + task.path.str());
  flush_soon();
  auto work = [&records = *records_, &data = parts_.data, flow = FlowName(spec_.flow), from = task.path, attempt = task.attempt,
               target, &fields = facts_.fields, now = parts_.loop.wall_now()]() -> Result<void> {
    const store::Manifest manifest = HR_TRY(store::manifest(data, flow, from, attempt));
    return records.clone(target, from, manifest, fields, now);
  };
  co_return co_await parts_.pool.run(work);
}

loop::Async<void> Driver::cloning_done() {
  lines_.run_line(parts_.loop.wall_now(), fmt::format("{}/{} cloned!", spec_.flow, spec_.resume->origin_run_id));
  flush_soon();
  // Nothing of the origin is needed any more; it may have been large.
  origin_.reset();
  origin_by_id_.clear();
  auto stored_work = [&records = *records_, task = path_of({}).task] { return records.resume_done(task); };
  auto stored = co_await parts_.pool.run(stored_work);
  if (!stored) broken(std::move(stored).error());
}

}  // namespace headrace::run
