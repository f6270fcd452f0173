#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "loop/async.h"
#include "wire/agent_report.h"
#include "wire/agent_spec.h"
#include "wire/pod_settings.h"

namespace headrace::launch {

/// Which run the pods belong to. The first three make the run's label, so that two runs never touch each other's pods.
struct RunName {
  std::string root;  ///< of the datastore, as `s3://bucket/prefix`
  std::string flow;
  std::string run;
  std::string user;
};

/// The pods of one step, as far as they are known before any of them starts.
struct PodStep {
  std::string step;
  const wire::PodSettings* settings = nullptr;  ///< must outlive the launcher
};

/// One attempt that shall run in a pod.
struct PodStart {
  std::string step;
  std::string label;  ///< run/step/task
  int attempt = 0;
  const wire::PodSettings* settings = nullptr;     ///< must outlive the call
  wire::AgentSpec agent_spec;                      ///< its `try_number` is set by the launcher
  std::map<std::string, std::string> environment;  ///< of the container, besides what the launcher adds itself
  std::map<std::string, std::string> annotations;  ///< besides flow, run, step, task, attempt and user (those of @project)
  bool alone = true;  ///< false: one of several pods that know each other. A try that is lost is not made good: the others would not find it
};

/// Hears of one attempt in a pod while `PodLauncher::run` works. Called on the loop thread.
class PodListener {
 public:
  virtual ~PodListener() = default;
  /// Why the pod does not run, and again when the reason changes; a loss that is made good by a new try. One line.
  virtual void note(std::string line) = 0;
  /// The name of the pod that the API server has accepted; again for a new try.
  virtual void placed(std::string pod) = 0;
  /// The address at which other pods reach this one, once the cluster tells it; maybe more than once.
  virtual void reachable([[maybe_unused]] const std::string& address) {}
  /// A line of the task, without its newline. `seq` counts from 1 in one try and never repeats; lines of the bootstrap, before
  /// the agent runs, have no number (nullopt) and the time of their arrival.
  virtual void output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) = 0;
  /// Returns when there is room for more lines. Until then the log is not read on, so that who writes it waits, and not the loop.
  [[nodiscard]] virtual loop::Async<void> room() { co_return; }
};

/// How an attempt in a pod ended, told apart by what can be said of it.
enum class PodOutcome {
  done,           ///< exit code 0 and a result
  task_failed,    ///< the agent reports that the task failed; the log says why
  out_of_memory,  ///< OOMKilled
  deadline,       ///< activeDeadlineSeconds passed
  lost,           ///< eviction, preemption or node loss, more often than is made good
  image,          ///< the image cannot be pulled, or has no Python
  refused,        ///< the cluster does not let the container start: a secret or volume that does not exist, ...
  signal,         ///< ended by a signal that is none of the above
  no_result,      ///< ended by itself, without a result
  stopped,        ///< by `stop` or `remove_all`, or deleted by somebody else
};

struct PodEnd {
  PodOutcome outcome = PodOutcome::no_result;
  int exit_code = 0;  ///< of the container; 128 + n after signal n; -1 when none ran
  std::optional<wire::AgentReport> report;
  std::string pod;
  std::string namespace_;
  std::int64_t peak_kb = 0;  ///< 0 unknown
  /// The highest number of a line, as far as the pod's log could be read; lines above `report->lines_stored` are not in the datastore.
  std::uint64_t lines = 0;
  int tries = 1;
  bool started = true;  ///< false: the container never ran, in no try, so nothing of the attempt is stored
  bool may_repeat = false;  ///< lost with the cluster's own, and not made good because it was not alone
  /// Set unless `done` or `task_failed`. Of kind `misuse` or `denied`: another attempt would end the same way.
  std::optional<Error> cause;
};

/// What an interrupt has removed.
struct Removed {
  std::uint64_t pods = 0;
  std::vector<std::string> namespaces;
  std::vector<std::string> left;  ///< `namespace/pod` that could not be removed in time
};

/// Runs attempts as Kubernetes pods. One launcher a run, on the loop thread.
///
/// Order: `begin` once; `run` for each attempt, many at a time; then `end`, or `remove_all` after an interrupt.
/// Must outlive the coroutines that wait in it.
class PodLauncher {
 public:
  virtual ~PodLauncher() = default;

  /// Checks the cluster and the steps against it, makes the run's owner objects and the agent's config maps, starts the watches.
  /// `note` gets lines for the run's console: warnings now, trouble with the cluster later; it must outlive the launcher's work.
  /// Errors: `misuse` (no namespace, a request that no node can hold), `denied` (credentials, rights: says which), `failed`.
  [[nodiscard]] virtual loop::Async<Result<void>> begin(RunName run, std::vector<PodStep> steps,
                                                        std::function<void(std::string)> note) = 0;

  /// Lets a `begin` that still works end soon, with an error; what it has made it takes back.
  virtual void give_up() = 0;

  /// Makes the pod, follows it and its log, repeats a try that the infrastructure lost. Returns when the pod has ended and its
  /// log was read. Error: no pod came to be (quota, admission, rights); `misuse` and `denied` would repeat themselves.
  /// `listener` must live until the end.
  [[nodiscard]] virtual loop::Async<Result<PodEnd>> run(PodStart start, PodListener& listener) = 0;

  /// The numbered lines after number `seq` of a pod that has ended and still exists, given to `listener.output` in order.
  [[nodiscard]] virtual loop::Async<Result<void>> read_log(std::string namespace_, std::string pod, std::uint64_t seq,
                                                           PodListener& listener) = 0;

  /// Deletes that attempt's pod, with the usual grace; its `run` then returns `stopped`. Nothing when there is none.
  virtual void stop(std::string_view label, int attempt) = 0;

  /// Removes every pod of the run and, when none is left, what owned them. Waiting `run`s return `stopped`, and no new pod is made.
  [[nodiscard]] virtual loop::Async<Result<Removed>> remove_all() = 0;

  /// `namespace/pod` of what exists and has not ended, as far as is known now; for somebody who cannot wait for `remove_all`.
  [[nodiscard]] virtual std::vector<std::string> alive() const = 0;

  /// The run is over and no `run` waits: removes what has succeeded and the owner. Failed pods stay for a while to be looked at, as
  /// the guide says; the cluster removes them then by itself. Stops the watches.
  [[nodiscard]] virtual loop::Async<Result<void>> end() = 0;
};

}  // namespace headrace::launch
