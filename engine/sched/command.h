#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "flow/graph.h"
#include "sched/event.h"

namespace headrace::sched {

/// The step of task 0, `_parameters`.
inline constexpr flow::StepIndex kParametersStep = std::numeric_limits<flow::StepIndex>::max();

/// A finished task as an input. `node` > 0: worker number `node` of the control task `task` (`7_node_1`).
struct TaskRef {
  flow::StepIndex step = kParametersStep;
  TaskNumber task = 0;
  std::uint32_t node = 0;
  bool operator==(const TaskRef&) const = default;
};

enum class AttemptKind {
  normal,    ///< `Task is starting.`
  retry,     ///< `Task is starting (retry).`
  fallback,  ///< `Task fallback is starting to handle the failure.`
};

/// Start one attempt. Answered by AttemptStarted (once it runs) and AttemptEnded (always).
struct StartAttempt {
  TaskNumber task = 0;
  int attempt = 0;
  AttemptKind kind = AttemptKind::normal;
  int user_retries = 0;                     ///< attempts above this one are fallbacks
  flow::StepIndex step = 0;
  flow::Backend backend = flow::Backend::local;
  Duration wait{};                          ///< before it really starts; the attempt is live meanwhile, and can be signalled
  std::optional<std::int64_t> split_index;  ///< child number of the innermost foreach; of its first step only, as Metaflow
  bool join = false;
  std::int64_t num_parallel = 0;            ///< > 0: control task of so many nodes; the conductor starts the workers
  std::vector<TaskRef> inputs;              ///< in split order; of a join all of them
};

/// Copy a task of the origin run. Answered by TaskCloned, or by RunBroken if it cannot be done.
struct CloneTask {
  TaskNumber task = 0;
  flow::StepIndex step = 0;
  std::string origin_task;                  ///< its id in the origin run
  std::optional<std::int64_t> split_index;
  std::int64_t num_parallel = 0;            ///< > 0: a control task; its workers (`<origin_task>_node_<i>`) are cloned with it
  std::vector<TaskRef> inputs;
};

/// What to send to the process group of a live attempt (of a control task: to those of its workers too).
enum class Signal { interrupt, terminate, kill };

struct SignalAttempt {
  TaskNumber task = 0;
  int attempt = 0;
  Signal signal = Signal::terminate;
};

/// Print `[KILLED BY ORCHESTRATOR]` for a live attempt, once for each stream (stderr first), and store it there.
struct MarkKilled {
  TaskNumber task = 0;
  int attempt = 0;
};

/// Print a line of the scheduler about one attempt.
struct SayTask {
  TaskNumber task = 0;
  int attempt = 0;
  std::string text;
  bool store = false;  ///< also goes to the attempt's stored stderr, without newline
};

/// Print a line about the whole run.
struct SayRun {
  std::string text;
  bool bad = false;
  bool operator==(const SayRun&) const = default;
};

/// From now on keep back every line of tasks and SayRun, until ReleaseLines. (Metaflow reads no task while it waits for the
/// last ones, so what they print comes after `Flushing logs...`.)
struct HoldLines {};

/// Print `first`, then what was kept back.
struct ReleaseLines {
  std::vector<SayRun> first;
};

/// All cloning is done (only of a resumed run, before the first StartAttempt).
struct CloningDone {};

/// A task was left out, since nothing is executed (clone_only):
/// `Not executing non-cloned task for step 'FLOW/RUN/STEP' in clone-only resume` is to be printed.
struct NotExecuted {
  flow::StepIndex step = 0;
};

/// Why a run has failed: one error block on stderr. `*` around names is highlighting, as in Metaflow's own text.
struct Failure {
  std::string headline;
  std::string message;
};

/// The run is over: nothing is live, no command follows. Exit code 0 if successful (`Done!`) or cloned, else 1.
struct FinishRun {
  enum class End {
    successful,
    cloned,  ///< clone_only, and the end was not among what could be cloned
    failed,
    interrupted,
  };
  End end = End::failed;
  std::optional<Failure> failure;           ///< present if failed
  std::optional<TaskRef> failed_task;       ///< the task to blame, if it is one
};

using Command = std::variant<StartAttempt, CloneTask, SignalAttempt, MarkKilled, SayTask, SayRun, HoldLines, ReleaseLines,
                             CloningDone, NotExecuted, FinishRun>;

}  // namespace headrace::sched
