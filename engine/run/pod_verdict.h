#pragma once

#include <optional>

#include "attempt/assignment.h"
#include "base/result.h"
#include "launch/pod_launcher.h"
#include "sched/event.h"

namespace headrace::run {

/// What the scheduler is told of an attempt that ran in a pod, and what people are told.
struct PodVerdict {
  int exit_code = 1;
  bool hopeless = false;                        ///< another attempt would meet the same cause
  bool lost = false;                            ///< with the cluster's own; nothing that the user's code did
  std::optional<sched::Transition> transition;  ///< of a success
  std::optional<Error> cause;                   ///< of a failure that the task's own output does not explain
};

/// Whether the datastore must be asked what the attempt has committed: the pod's report does not say, and it may have.
[[nodiscard]] bool must_look(const launch::PodEnd& end);

/// `committed`: by the report, or by the datastore. What has been committed counts, unless the task itself went wrong afterwards
/// (as a local process that crashes at its exit): the pod may have been lost after its last word.
[[nodiscard]] PodVerdict verdict_of(const launch::PodEnd& end, const std::optional<attempt::Committed>& committed);
/// No pod came to be.
[[nodiscard]] PodVerdict verdict_of(Error not_started);

/// The report's commit in the session's form; nullopt if there is none, or not all of it.
[[nodiscard]] std::optional<attempt::Committed> committed_of(const launch::PodEnd& end);

}  // namespace headrace::run
