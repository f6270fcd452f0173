#include "run/pod_nodes.h"

#include <unistd.h>

#include <fmt/format.h>

#include <utility>

#include "run/driver.h"

namespace headrace::run {

PodNodes::Node::Node(Driver& driver, attempt::Assignment assignment, const LiveAttempt& control,
                     std::map<std::string, std::string> environment)
    : live(driver.parts_.loop), task(driver, live, assignment, std::move(environment)) {
  live.task = control.task;
  live.attempt = control.attempt;
  live.kind = control.kind;
  live.step = control.step;
  live.path = assignment.path;
  live.label = assignment.path.task.str();
  live.pid = ::getpid();
  live.log = driver.make_log(live);
}

PodNodes::PodNodes(Driver& driver, LiveAttempt& control, attempt::Assignment control_assignment)
    : driver_(driver), control_(control), base_(std::move(control_assignment)), running_(driver.parts_.loop) {}

PodNodes::~PodNodes() = default;

void PodNodes::start(const std::string& main_address) {
  if (closed_ || !nodes_.empty()) return;
  for (std::int64_t index = 1; index < base_.num_parallel; ++index) {
    std::map<std::string, std::string> environment{{"HEADRACE_PARALLEL_MAIN_IP", main_address}};
    nodes_.push_back(std::make_unique<Node>(driver_, attempt::worker_of(base_, index), control_, std::move(environment)));
  }
  for (auto& node : nodes_) running_.spawn(run(node.get()));
}

loop::Async<void> PodNodes::run(Node* node) {
  auto verdict = co_await node->task.run();
  node->ended = true;
  if (!verdict) {
    left_ = true;
    co_return;
  }
  const bool asked_for = node->live.killed && closed_;
  if (verdict->exit_code != 0 && !asked_for) failed(*node, *verdict);
  co_await node->task.settle(verdict->exit_code);
}

/// The first one ends the step, whose control task says the cause.
void PodNodes::failed(Node& node, const PodVerdict& verdict) {
  if (failure_) {
    if (verdict.cause) node.task.say_cause(*verdict.cause);
    return;
  }
  failure_ = verdict;
  driver_.own_line(control_, Stream::err,
                   fmt::format("Task {} of the {} of this @parallel step failed: the others are ended.", node.live.label, base_.num_parallel),
                   true);
  driver_.parts_.pods->stop(control_.label, control_.attempt);
  remove();
}

void PodNodes::remove() {
  close();
  for (auto& node : nodes_) {
    if (!node->ended) driver_.parts_.pods->stop(node->live.label, node->live.attempt);
  }
}

loop::Async<std::optional<PodVerdict>> PodNodes::end(std::optional<PodVerdict> control) {
  if (control && control->exit_code != 0) remove();
  const bool started = !nodes_.empty() || base_.num_parallel <= 1;
  co_await running_.wait();
  if (left_ || !control) co_return std::nullopt;
  if (failure_) {
    control_.killed = false;
    co_return failure_;
  }
  if (control->exit_code == 0 && !started) {
    Error never{.kind = Kind::failed,
                .what = fmt::format("the other {} nodes of the step were not started", base_.num_parallel - 1),
                .why = "the cluster has told no address of the pod of node 0"};
    co_return PodVerdict{.exit_code = 1, .transition = {}, .cause = std::move(never)};
  }
  co_return control;
}

}  // namespace headrace::run
