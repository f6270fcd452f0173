#include "sim/oracle.h"

#include <algorithm>

namespace headrace::sim {

void Oracle::begin() { expected_.push_back(Task{.step = graph_.start(), .inputs = {sched::TaskRef{}}}); }

bool Oracle::start(sched::TaskNumber number, const Task& seen, bool anywhere) {
  const auto matches = [&](const Task& task) {
    return task.step == seen.step && task.split_index == seen.split_index && task.nodes == seen.nodes && task.join == seen.join &&
           task.inputs == seen.inputs;
  };
  auto found = expected_.begin();
  if (anywhere) found = std::find_if(expected_.begin(), expected_.end(), matches);
  if (found == expected_.end() || !matches(*found)) return false;
  tasks_[number] = *found;
  expected_.erase(found);
  return true;
}

void Oracle::arrive(flow::StepIndex target, std::vector<Frame> frames, sched::TaskNumber number, const Task& from, std::int64_t iteration) {
  const flow::Step& step = graph_.step(target);
  if (!step.join) {
    expected_.push_back(Task{.step = target, .frames = std::move(frames), .iteration = iteration, .inputs = {{.step = from.step, .task = number}}});
    return;
  }
  const Frame frame = frames.back();
  frames.pop_back();
  std::vector<sched::TaskRef>& inputs = arrived_[frame.splitter][frame.branch];
  inputs.push_back({.step = from.step, .task = number});
  for (std::int64_t node = 1; node < from.nodes; ++node) {
    inputs.push_back({.step = from.step, .task = number, .node = static_cast<std::uint32_t>(node)});
  }
  if (arrived_[frame.splitter].size() < frame.width) return;
  Task join{.step = target, .frames = std::move(frames), .join = true};
  for (const auto& [branch, some] : arrived_[frame.splitter]) join.inputs.insert(join.inputs.end(), some.begin(), some.end());
  arrived_.erase(frame.splitter);
  expected_.push_back(std::move(join));
}

void Oracle::succeed(sched::TaskNumber number, const sched::Transition& transition) {
  const Task task = tasks_.at(number);
  const flow::Step& step = graph_.step(task.step);
  if (step.kind == flow::StepKind::end) {
    end_reached_ = true;
    return;
  }
  const auto entering = [&](flow::StepIndex target) { return graph_.step(target).recursive() ? 0 : -1; };
  const auto splits = transition.splits.value_or(0);
  if (step.kind == flow::StepKind::foreach || step.kind == flow::StepKind::parallel) {
    const bool nodes = step.kind == flow::StepKind::parallel;
    const auto width = static_cast<std::size_t>(nodes ? 1 : splits);
    for (std::size_t i = 0; i < width; ++i) {
      Task child{.step = step.next[0], .frames = task.frames, .iteration = entering(step.next[0]), .inputs = {{.step = task.step, .task = number}}};
      child.frames.push_back({.splitter = number, .branch = i, .width = width, .indexed = !nodes || splits > 0});
      if (!nodes) child.split_index = static_cast<std::int64_t>(i);
      if (nodes) child.nodes = std::max<std::int64_t>(splits, 0);
      expected_.push_back(std::move(child));
    }
    return;
  }
  for (std::size_t i = 0; i < transition.next.size(); ++i) {
    const flow::StepIndex target = *graph_.find(transition.next[i]);
    std::vector<Frame> frames = task.frames;
    if (step.kind == flow::StepKind::split) frames.push_back({.splitter = number, .branch = i, .width = step.next.size(), .indexed = false});
    arrive(target, std::move(frames), number, task, target == task.step ? task.iteration + 1 : entering(target));
  }
}

Oracle::Place Oracle::place(const Task& task) {
  Place place{.step = task.step, .indices = {}, .iteration = task.iteration};
  for (const Frame& frame : task.frames) {
    if (frame.indexed) place.indices.push_back(static_cast<std::int64_t>(frame.branch));
  }
  return place;
}

}  // namespace headrace::sim
