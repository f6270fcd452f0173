#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attempt/assignment.h"
#include "loop/task_group.h"
#include "run/live_attempt.h"
#include "run/pod_task.h"

namespace headrace::run {

/// The pods of nodes 1, 2, ... of a @parallel step. They start when the pod of node 0 (the control task) has an address, which they are
/// told; the step is done when all have succeeded, and when one fails the others are removed. Owned by the control task's PodAttempt.
class PodNodes {
 public:
  /// `control` must outlive it.
  PodNodes(Driver& driver, LiveAttempt& control, attempt::Assignment control_assignment);
  ~PodNodes();
  PodNodes(const PodNodes&) = delete;
  PodNodes& operator=(const PodNodes&) = delete;

  /// Once.
  void start(const std::string& main_address);
  /// No node starts any more; those that run are somebody else's to remove.
  void close() { closed_ = true; }
  /// As `close`, and removes those that run.
  void remove();
  /// The control task has ended so: waits for the others; what the step has come to. nullopt, in both places: the user does not wait
  /// any longer.
  [[nodiscard]] loop::Async<std::optional<PodVerdict>> end(std::optional<PodVerdict> control);

 private:
  struct Node {
    Node(Driver& driver, attempt::Assignment assignment, const LiveAttempt& control, std::map<std::string, std::string> environment);
    LiveAttempt live;
    PodTask task;
    bool ended = false;
  };
  [[nodiscard]] loop::Async<void> run(Node* node);
  void failed(Node& node, const PodVerdict& verdict);

  Driver& driver_;
  LiveAttempt& control_;
  const attempt::Assignment base_;
  std::vector<std::unique_ptr<Node>> nodes_;
  loop::TaskGroup running_;
  std::optional<PodVerdict> failure_;  ///< of the first node that failed
  bool closed_ = false;
  bool left_ = false;
};

}  // namespace headrace::run
