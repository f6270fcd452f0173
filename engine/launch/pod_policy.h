#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace headrace::launch {

/// How a run treats its pods: what belongs to the installation and not to a step. Each has a variable of the environment.
struct PodPolicy {
  /// What a request that no node can hold is.
  enum class Unplaceable {
    automatic,  ///< an error, unless a cluster autoscaler is seen
    error,
    warning,
  };

  /// HEADRACE_KUBERNETES_MEMORY_LIMIT, `request` or `none`: whether a pod's memory is limited to what it asks for. Without,
  /// a step that uses more takes the memory of others on its node, as under Metaflow.
  bool limit_memory = true;
  /// HEADRACE_KUBERNETES_LEASE: seconds after the launcher's death until the cluster removes what is left of the run;
  /// unset: the longest time limit of the run's steps.
  std::optional<Duration> lease;
  /// HEADRACE_KUBERNETES_START_LEASE: a pod that starts when the launcher has given no sign of life for so long ends at once. Seconds.
  Duration start_lease = 15min;
  /// HEADRACE_KUBERNETES_KEEP_FAILED: seconds for which failed pods stay after the run's end; 0 removes them with the others.
  Duration keep_failed = 1h;
  /// HEADRACE_KUBERNETES_TRIES: how often one attempt is tried when the infrastructure loses it.
  int tries_max = 4;
  /// HEADRACE_KUBERNETES_IMAGE_TRIES: failed pulls of an image until the attempt fails. One that does not exist fails at once.
  int image_tries_max = 3;
  /// HEADRACE_KUBERNETES_UNPLACEABLE: `auto`, `error` or `warning`.
  Unplaceable unplaceable = Unplaceable::automatic;
  /// HEADRACE_AGENT: the executable that pods run; empty: this one.
  std::string agent_file;
};

/// Reads the variables named above; `variable` gives the value of one, nullptr if it is not set. Error (misuse) names it.
Result<PodPolicy> pod_policy_from(const std::function<const char*(const std::string&)>& variable);

}  // namespace headrace::launch
