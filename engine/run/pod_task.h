#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "attempt/assignment.h"
#include "launch/pod_launcher.h"
#include "run/pod_verdict.h"

namespace headrace::run {

class Driver;
struct LiveAttempt;

/// One attempt of one task in a pod: its lines are shown, and after the pod's end is put right what a killed agent has left undone. The
/// agent in the pod writes the attempt's records and stores its lines.
class PodTask final : public launch::PodListener {
 public:
  /// The first two must outlive it. `environment`: of the task, besides @environment.
  PodTask(Driver& driver, LiveAttempt& live, attempt::Assignment assignment, std::map<std::string, std::string> environment = {});

  /// Before `run`: `told` is called once, with the address at which other pods reach this one.
  void on_address(std::function<void(const std::string&)> told) { told_ = std::move(told); }

  /// Runs the pod to its end; nullopt when the user does not wait any longer (Driver::left_).
  [[nodiscard]] loop::Async<std::optional<PodVerdict>> run();
  /// Says why it failed, as a line of the task.
  void say_cause(const Error& cause);
  /// Brings records and log of the attempt to their end.
  [[nodiscard]] loop::Async<void> settle(int exit_code);

  void note(std::string line) override;
  void placed(std::string pod) override;
  void reachable(const std::string& address) override;
  void output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) override;
  loop::Async<void> room() override;

 private:
  [[nodiscard]] launch::PodStart start() const;
  [[nodiscard]] loop::Async<PodVerdict> judge(Result<launch::PodEnd> end);
  [[nodiscard]] loop::Async<Result<void>> settle_records();
  [[nodiscard]] loop::Async<Result<void>> complete_log();
  [[nodiscard]] std::string shown(std::string_view text) const;

  Driver& driver_;
  LiveAttempt& live_;
  attempt::Assignment assignment_;
  std::map<std::string, std::string> environment_;
  std::function<void(const std::string&)> told_;
  std::string pod_;
  std::optional<launch::PodEnd> end_;  ///< without its cause
};

}  // namespace headrace::run
