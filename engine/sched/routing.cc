#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sched/state.h"

namespace headrace::sched {
namespace {

std::string names_of(const flow::Graph& graph, const std::vector<flow::StepIndex>& steps) {
  std::vector<std::string> names;
  for (const flow::StepIndex step : steps) names.push_back(graph.name(step));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::optional<std::string> Scheduler::State::disagreement(flow::StepIndex index, const Transition& transition) const {
  const flow::Step& step = graph_.step(index);
  const std::vector<std::string>& next = transition.next;
  if (step.kind == flow::StepKind::switch_) {
    const bool known = next.size() == 1 && std::count_if(step.next.begin(), step.next.end(),
                                                         [&](flow::StepIndex target) { return graph_.name(target) == next[0]; }) > 0;
    if (known) return std::nullopt;
    return fmt::format("Switch step *{}* may go on to one of *{}*, but when it was executed it went on to *{}*.", step.name.str(),
                       names_of(graph_, step.next), fmt::join(next, ", "));
  }
  const bool same = std::equal(next.begin(), next.end(), step.next.begin(), step.next.end(),
                               [&](const std::string& name, flow::StepIndex target) { return graph_.name(target) == name; });
  if (!same && next.empty()) {
    return fmt::format("By its source, step *{}* goes on to *{}*; when it was executed, it ended without self.next(). "
                       "Make sure that the step ends with its only call of self.next(): it must not return, or exit with code 0, "
                       "before.",
                       step.name.str(), names_of(graph_, step.next));
  }
  if (!same) {
    return fmt::format("By its source, step *{}* goes on to *{}*; when it was executed, self.next() was called with *{}*. "
                       "Make sure that the step ends with its only call of self.next(), without a condition around it.",
                       step.name.str(), names_of(graph_, step.next), fmt::join(next, ", "));
  }
  constexpr std::int64_t kSplitsMax = std::numeric_limits<std::int32_t>::max();
  const std::int64_t splits = transition.splits.value_or(0);
  if (step.kind == flow::StepKind::foreach && (splits < 1 || splits > kSplitsMax)) {
    return fmt::format("Foreach in step *{}* reported {} items.", step.name.str(), splits);
  }
  if (step.kind == flow::StepKind::parallel && splits > kSplitsMax) {
    return fmt::format("Step *{}* asked for {} nodes.", step.name.str(), splits);
  }
  return std::nullopt;
}

std::optional<Failure> Scheduler::State::follow(const Ended& task, const Transition& transition) {
  const flow::Step& step = graph_.step(task.step);
  switch (step.kind) {
    case flow::StepKind::end:
      end_reached_ = true;
      return std::nullopt;
    case flow::StepKind::foreach:
      return follow_foreach(task, transition);
    case flow::StepKind::parallel:
      return follow_parallel(task, transition);
    case flow::StepKind::split: {
      const auto width = static_cast<std::uint32_t>(step.next.size());
      const SplitId split = splits_.open({.step = task.step, .outer = task.at, .width = width, .indexed = false});
      for (std::uint32_t branch = 0; branch < width; ++branch) go(task, step.next[branch], {.split = split, .branch = branch});
      return std::nullopt;
    }
    case flow::StepKind::switch_: {
      const flow::StepIndex target = *graph_.find(transition.next[0]);
      Position at = task.at;
      at.iteration = target == task.step ? task.at.iteration + 1 : -1;
      go(task, target, at);
      return std::nullopt;
    }
    case flow::StepKind::linear:
      go(task, step.next[0], task.at);
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Failure> Scheduler::State::follow_foreach(const Ended& task, const Transition& transition) {
  const flow::Step& step = graph_.step(task.step);
  const std::int64_t width = *transition.splits;
  if (width > limits_.max_num_splits) {
    // Metaflow's text, with the space at its end.
    return Failure{.headline = "Step failure",
                   .message = fmt::format("Step *{0}* (task-id {1}) failed: Foreach in step *{0}* yielded {2} child steps which is more than "
                                          "the current maximum of {3} children. You can raise the maximum with the --max-num-splits "
                                          "option. ",
                                          step.name.str(), task.ref.task, width, limits_.max_num_splits)};
  }
  const flow::StepIndex target = step.next[0];
  const auto count = static_cast<std::uint32_t>(width);
  const SplitId split = splits_.open({.step = task.step, .outer = task.at, .width = count, .indexed = true});
  counts_[target].queued = true;
  queue_.push(ReadyQueue::Children{.step = target,
                                   .split = split,
                                   .iteration = graph_.step(target).recursive() ? 0 : -1,
                                   .parent = task.ref,
                                   .first = 0,
                                   .count = count});
  return std::nullopt;
}

/// With less than one node the step that follows is an ordinary one, still closed by the same join.
std::optional<Failure> Scheduler::State::follow_parallel(const Ended& task, const Transition& transition) {
  const std::int64_t nodes = std::max<std::int64_t>(transition.splits.value_or(0), 0);
  const flow::StepIndex target = graph_.step(task.step).next[0];
  const SplitId split = splits_.open({.step = task.step, .outer = task.at, .width = 1, .indexed = nodes > 0});
  push({.step = target,
        .at = {.split = split, .branch = 0, .iteration = graph_.step(target).recursive() ? 0 : -1},
        .split_index = std::nullopt,
        .num_parallel = nodes,
        .join = false,
        .inputs = {task.ref}});
  return std::nullopt;
}

/// The task has finished and `target` follows at `at`: it is queued, or the branch has arrived at its join.
void Scheduler::State::go(const Ended& task, flow::StepIndex target, Position at) {
  const flow::Step& step = graph_.step(target);
  if (!step.join) {
    if (target != task.step) at.iteration = step.recursive() ? 0 : -1;
    push({.step = target, .at = at, .split_index = std::nullopt, .num_parallel = 0, .join = false, .inputs = {task.ref}});
    return;
  }
  HR_CHECK(graph_.step(splits_.step(at.split)).matching_join == target);
  const auto nodes = static_cast<std::uint32_t>(std::max<std::int64_t>(task.num_parallel, 1));
  auto joined = splits_.arrive(at, task.ref, nodes);
  if (!joined) return;
  joined->at.iteration = step.recursive() ? 0 : -1;
  push({.step = target,
        .at = joined->at,
        .split_index = std::nullopt,
        .num_parallel = 0,
        .join = true,
        .inputs = std::move(joined->inputs)});
}

void Scheduler::State::push(ReadyTask task) {
  counts_[task.step].queued = true;
  queue_.push(std::move(task));
}

/// Walks the graph from its start as far as the origin has finished tasks that fit it. These get their numbers now; what
/// follows on them without being in the origin stays in the queue, and is executed when all clones are made.
void Scheduler::State::plan_clones() {
  ReadyQueue executed;
  while (!queue_.empty()) {
    ReadyTask task = queue_.pop();
    const OriginTask* origin = origin_->find(task.step, splits_.indices(task.at), task.at.iteration);
    // The flow may have been changed: a transition that it cannot make any more is made anew.
    if (origin == nullptr || disagreement(task.step, *origin->transition)) {
      executed.push(std::move(task));
      continue;
    }
    const TaskNumber number = ++last_number_;
    const Ended ended{.step = task.step,
                      .at = task.at,
                      .ref = {.step = task.step, .task = number, .node = 0},
                      .num_parallel = task.num_parallel};
    clones_.push_back(CloneTask{.task = number,
                                .step = task.step,
                                .origin_task = origin->task_id,
                                .split_index = task.split_index,
                                .num_parallel = task.num_parallel,
                                .inputs = std::move(task.inputs)});
    // The rest is cloned all the same: the next resume goes on from this run.
    auto failure = follow(ended, *origin->transition);
    if (failure && !trouble_) trouble_ = Trouble{.failure = std::move(*failure), .task = ended.ref};
  }
  queue_ = std::move(executed);
}

void Scheduler::State::send_clones(Instant now) {
  while (!clones_.empty() && clones_sent_.size() < static_cast<std::size_t>(kClonesInFlightMax)) {
    clones_sent_.insert(clones_.front().task);
    out_.emplace_back(std::move(clones_.front()));
    clones_.pop_front();
  }
  if (!clones_.empty() || !clones_sent_.empty()) return;
  out_.emplace_back(CloningDone{});
  phase_ = Phase::running;
  if (trouble_) fail(std::move(trouble_->failure), trouble_->task, now);
}

}  // namespace headrace::sched
