#pragma once

#include <memory>

#include "attempt/assignment.h"
#include "loop/event.h"
#include "run/pod_task.h"

namespace headrace::run {

class PodNodes;

/// An attempt that runs in a pod, or in several (@parallel), from its start to the scheduler's event: what a LiveAttempt has instead
/// of a session. Owned by its LiveAttempt.
class PodAttempt {
 public:
  PodAttempt(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, Duration wait);
  ~PodAttempt();
  PodAttempt(const PodAttempt&) = delete;
  PodAttempt& operator=(const PodAttempt&) = delete;

  /// All of it; ends early when the user does not wait any longer (Driver::left_).
  [[nodiscard]] loop::Async<void> run();
  /// The run stops: an attempt that still waits to be repeated gives up, and no further node starts. Its pods are removed by the driver.
  void stop();
  /// Only this attempt stops: removes its pods.
  void remove();

 private:
  /// False when the run stopped meanwhile.
  [[nodiscard]] loop::Async<bool> wait_before_retry();
  [[nodiscard]] loop::Async<void> finish(PodVerdict verdict);

  Driver& driver_;
  LiveAttempt& live_;
  Duration wait_;
  PodTask task_;
  std::unique_ptr<PodNodes> nodes_;  ///< the other pods of a @parallel step
  bool stopped_ = false;
  loop::Event stop_asked_;
};

}  // namespace headrace::run
