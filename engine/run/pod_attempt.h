#pragma once

#include <string>
#include <string_view>

#include "attempt/assignment.h"
#include "launch/pod_launcher.h"
#include "loop/event.h"
#include "run/pod_verdict.h"

namespace headrace::run {

class Driver;
struct LiveAttempt;

/// An attempt that runs in a pod, from its start to its records: what a LiveAttempt has instead of a session.
///
/// The agent in the pod writes the attempt's records and stores its lines; here lines are shown, and after the pod's end is put
/// right what a killed agent has left undone. Owned by its LiveAttempt.
class PodAttempt final : public launch::PodListener {
 public:
  PodAttempt(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, Duration wait);

  /// All of it; ends early when the user does not wait any longer (Driver::left_).
  [[nodiscard]] loop::Async<void> run();
  /// The run stops: an attempt that still waits to be repeated gives up. Its pod is removed by the driver.
  void stop();

  void note(std::string line) override;
  void placed(std::string pod) override;
  void output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) override;

 private:
  [[nodiscard]] launch::PodStart start() const;
  /// False when the run stopped meanwhile.
  [[nodiscard]] loop::Async<bool> wait_before_retry();
  [[nodiscard]] loop::Async<PodVerdict> judge(Result<launch::PodEnd> end);
  [[nodiscard]] loop::Async<void> finish(PodVerdict verdict);
  [[nodiscard]] loop::Async<Result<void>> settle_records();
  [[nodiscard]] loop::Async<Result<void>> complete_log();
  void say_cause(const Error& cause);
  [[nodiscard]] std::string shown(std::string_view text) const;

  Driver& driver_;
  LiveAttempt& live_;
  attempt::Assignment assignment_;
  Duration wait_;
  bool stopped_ = false;
  loop::Event stop_asked_;
  std::string pod_;
  std::optional<launch::PodEnd> end_;  ///< without its cause
  bool began_ = false;                 ///< a pod was accepted
};

}  // namespace headrace::run
