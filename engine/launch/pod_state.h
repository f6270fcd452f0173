#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "codec/json.h"

/// What the JSON of a pod says. Pure: the cluster's words in, facts out; tables of real pods test it.
namespace headrace::launch {

enum class PodPhase { pending, running, succeeded, failed, unknown };

/// How the task's container ended.
struct ContainerEnd {
  int exit_code = 0;
  int signal = 0;  ///< where the runtime tells it; else it is in the exit code
  std::string reason;
  std::string message;
};

/// A pod as the API server tells it, reduced to what decides.
struct PodFacts {
  std::string name;
  std::string uid;
  std::string owner_uid;
  std::string node;     ///< empty while it has none
  std::string node_ip;
  std::string ip;       ///< its own; empty until its network is made
  PodPhase phase = PodPhase::pending;
  std::string reason;   ///< of the pod: DeadlineExceeded, Evicted, OutOfmemory, ...
  std::string message;
  bool started = false; ///< the task's container runs or has run: it has a log
  bool others_run = false;  ///< containers that are not ours, such as sidecars
  std::optional<ContainerEnd> end;
  std::string waiting_reason;  ///< of the task's container
  std::string waiting_message;
  std::string init;            ///< what its init containers do or wait for
  std::string unscheduled_reason;
  std::string unscheduled_message;
  std::string disruption_reason;  ///< why the infrastructure takes it away
  std::string disruption_message;
  bool node_silent = false;       ///< its node has stopped answering
  std::optional<WallTime> deleting;  ///< when its grace is over

  /// The task's container will not run (any more).
  [[nodiscard]] bool ended() const { return end.has_value() || phase == PodPhase::succeeded || phase == PodPhase::failed; }
  /// Nothing in the pod's end changes any more.
  [[nodiscard]] bool settled() const { return phase == PodPhase::succeeded || phase == PodPhase::failed; }
};

/// `container` is the task's; what is absent or of another type than Kubernetes documents counts as absent.
[[nodiscard]] PodFacts read_pod(const codec::Json& pod, std::string_view container);

/// Why a pod does not run yet.
struct PodWait {
  /// The same while the reason is the same, though numbers in its words change.
  std::string key;
  std::string words;      ///< "Pod is pending, Container is waiting - ImagePullBackOff - Back-off ..."
  bool ordinary = false;  ///< each pod goes through it: worth a line only when it lasts
  bool unschedulable = false;
};

/// nullopt once the container has started or the pod is being deleted. `event` is the last warning about this pod, which
/// alone names a missing volume or a broken sandbox; may be empty.
[[nodiscard]] std::optional<PodWait> why_waiting(const PodFacts& pod, std::string_view event);

}  // namespace headrace::launch
