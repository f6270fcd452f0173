#include "sched/testing/printing.h"

#include <fmt/format.h>

namespace headrace::sched::testing {
namespace {

std::string text_of(const flow::Graph& graph, const TaskRef& ref) {
  const std::string step = ref.step == kParametersStep ? "_parameters" : graph.name(ref.step);
  return ref.node == 0 ? fmt::format("{}/{}", step, ref.task) : fmt::format("{}/{}_node_{}", step, ref.task, ref.node);
}

std::string inputs_of(const flow::Graph& graph, const std::vector<TaskRef>& inputs) {
  std::string text = " <-";
  for (const TaskRef& ref : inputs) text += " " + text_of(graph, ref);
  return text;
}

template <class Task>
std::string place_of(const flow::Graph& graph, const Task& task) {
  std::string text = fmt::format("{} {}", task.task, graph.name(task.step));
  if (task.split_index) text += fmt::format("[{}]", *task.split_index);
  if (task.num_parallel > 0) text += fmt::format(" on {} nodes", task.num_parallel);
  return text;
}

std::string lines_of(const std::vector<SayRun>& lines) {
  std::string text;
  for (const SayRun& line : lines) text += fmt::format(" `{}`", line.text);
  return text;
}

struct CommandText {
  const flow::Graph& graph;

  std::string operator()(const StartAttempt& c) const {
    std::string text = "start " + place_of(graph, c);
    if (c.kind == AttemptKind::retry) text += fmt::format(" retry {}", c.attempt);
    if (c.kind == AttemptKind::fallback) text += fmt::format(" fallback {}", c.attempt);
    if (c.backend != flow::Backend::local) text += fmt::format(" on {}", flow::to_string(c.backend));
    if (c.wait > Duration(0)) text += fmt::format(" after {}s", std::chrono::duration_cast<std::chrono::seconds>(c.wait).count());
    return text + (c.join ? " join" : "") + inputs_of(graph, c.inputs);
  }
  std::string operator()(const CloneTask& c) const {
    return fmt::format("clone {} of {}", place_of(graph, c), c.origin_task) + inputs_of(graph, c.inputs);
  }
  std::string operator()(const SignalAttempt& c) const {
    const char* names[] = {"interrupt", "terminate", "kill"};
    return fmt::format("{} {}.{}", names[static_cast<int>(c.signal)], c.task, c.attempt);
  }
  std::string operator()(const MarkKilled& c) const { return fmt::format("mark {}.{}", c.task, c.attempt); }
  std::string operator()(const SayTask& c) const { return fmt::format("{}.{}{} `{}`", c.task, c.attempt, c.store ? " stores" : "", c.text); }
  std::string operator()(const SayRun& c) const { return fmt::format("{}`{}`", c.bad ? "bad " : "", c.text); }
  std::string operator()(const HoldLines&) const { return "hold"; }
  std::string operator()(const ReleaseLines& c) const { return "release" + lines_of(c.first); }
  std::string operator()(const CloningDone&) const { return "cloning done"; }
  std::string operator()(const NotExecuted& c) const { return "not executed " + graph.name(c.step); }
  std::string operator()(const FinishRun& c) const {
    const char* names[] = {"successful", "cloned", "failed", "interrupted"};
    std::string text = fmt::format("finish {}", names[static_cast<int>(c.end)]);
    if (c.failure) text += fmt::format(": {}: {}", c.failure->headline, c.failure->message);
    return text;
  }
};

struct EventText {
  std::string operator()(const Begin&) const { return "begin"; }
  std::string operator()(const AttemptStarted& e) const { return fmt::format("started {}.{}", e.task, e.attempt); }
  std::string operator()(const AttemptEnded& e) const {
    std::string text = fmt::format("ended {}.{} code {}", e.task, e.attempt, e.exit_code);
    if (e.hopeless) text += " hopeless";
    if (e.lost) text += " lost";
    if (!e.transition) return text;
    text += fmt::format(" -> {}", fmt::join(e.transition->next, ","));
    if (e.transition->splits) text += fmt::format(" x {}", *e.transition->splits);
    return text;
  }
  std::string operator()(const TaskCloned& e) const { return fmt::format("cloned {}", e.task); }
  std::string operator()(const Interrupted&) const { return "interrupted"; }
  std::string operator()(const RunBroken& e) const { return fmt::format("broken: {}: {}", e.headline, e.message); }
  std::string operator()(const Tick&) const { return "tick"; }
};

}  // namespace

std::string to_text(const flow::Graph& graph, const Command& command) { return std::visit(CommandText{graph}, command); }

std::vector<std::string> to_texts(const flow::Graph& graph, const std::vector<Command>& commands) {
  std::vector<std::string> texts;
  for (const Command& command : commands) texts.push_back(to_text(graph, command));
  return texts;
}

std::string to_text(const Event& event) { return std::visit(EventText{}, event); }

}  // namespace headrace::sched::testing
