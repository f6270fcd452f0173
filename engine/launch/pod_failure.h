#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "launch/pod_launcher.h"
#include "launch/pod_state.h"

/// Why an attempt in a pod failed, in one line with what to do next. Pure.
namespace headrace::launch {

/// What is known when a pod has ended, or will never start.
struct PodCase {
  std::string step;
  std::string namespace_;
  const wire::PodSettings* settings = nullptr;
  bool limit_memory = true;  ///< as PodPolicy
  PodFacts pod;              ///< as last heard
  bool gone = false;         ///< the object does not exist any more
  bool stopped = false;      ///< we have deleted it
  int tries = 1;             ///< with this one
  std::optional<wire::AgentReport> report;
};

struct PodVerdict {
  PodOutcome outcome = PodOutcome::no_result;
  bool again = false;  ///< a loss of infrastructure: another try may end well
  int exit_code = -1;
  std::optional<Error> cause;  ///< unless `done` or `task_failed`
};

/// Of a pod that has ended, is gone, or was taken away.
///
/// The pod's own reason is read before the container's exit code: a container that is killed at its deadline also ends with 137.
[[nodiscard]] PodVerdict judge_end(const PodCase& one);

/// The report in a container's termination message; nullopt when there is none, as when the agent never ran.
[[nodiscard]] std::optional<wire::AgentReport> report_of(const PodFacts& pod);

/// Decides when a pod that waits will never run. One for each try.
///
/// What cannot change by waiting ends at once: an image that does not exist, a name that is none. What may be repaired by
/// others (a registry that does not answer, a secret that is just being made) gets a few tries or a little time.
class StartJudge {
 public:
  explicit StartJudge(int image_tries_max) : image_tries_max_(image_tries_max) {}

  static constexpr Duration kImagePatience = 120s;
  static constexpr Duration kConfigPatience = 20s;

  /// The verdict that ends the try, as soon as there is one.
  [[nodiscard]] std::optional<PodVerdict> look(const PodCase& one, Instant now);
  /// When to look again though nothing changes.
  [[nodiscard]] std::optional<Instant> next_look() const { return next_look_; }

 private:
  int image_tries_max_;
  int pulls_failed_ = 0;
  std::string last_reason_;
  std::optional<Instant> since_;
  std::optional<Instant> next_look_;
};

}  // namespace headrace::launch
