#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flow/graph.h"

namespace headrace::sched {

/// Number of a task in its run: 0 is `_parameters`, the first task of a step is 1. `std::to_string` of it is its TaskId.
using TaskNumber = std::uint32_t;

/// What `finish` of docs/formats/wire.md 4.2 said.
struct Transition {
  std::vector<std::string> next;       ///< steps `self.next` chose, as named there
  std::optional<std::int64_t> splits;  ///< items of a foreach, nodes of a num_parallel
};

/// The whole run is to begin. First event, exactly once.
struct Begin {};

/// The process of an attempt runs: its timeout counts from here. Not told of attempts on Kubernetes, which the cluster ends.
struct AttemptStarted {
  TaskNumber task = 0;
  int attempt = 0;
};

/// The process of an attempt has ended (or never came to be: exit code 1), and its output has been read.
struct AttemptEnded {
  TaskNumber task = 0;
  int attempt = 0;
  int exit_code = 0;                      ///< as of the shell: 128 + n for signal n
  std::optional<Transition> transition;   ///< present if the attempt has committed (`finish` was answered)
  bool hopeless = false;                  ///< the user's code would fail in the same way again: only a fallback is tried
  bool lost = false;                      ///< with the infrastructure under it: made good by attempts that @retry does not count
};

/// A CloneTask was carried out.
struct TaskCloned {
  TaskNumber task = 0;
};

/// Ctrl-C, SIGTERM or SIGHUP reached the conductor. The second one kills at once.
struct Interrupted {};

/// The run cannot go on for a reason outside of its tasks: the task host died, the disk is full, a clone failed. No TaskCloned
/// is waited for after it.
struct RunBroken {
  std::string headline;
  std::string message;
};

/// Time has passed; wanted at `Scheduler::next_deadline()`.
struct Tick {};

using Event = std::variant<Begin, AttemptStarted, AttemptEnded, TaskCloned, Interrupted, RunBroken, Tick>;

/// A task of the run that is resumed, as found in the datastore. Of a num_parallel only the control task.
struct OriginTask {
  flow::StepIndex step = 0;
  std::vector<std::int64_t> indices;  ///< of the foreach and parallel levels around it, outermost first; a control task has 0
  std::int64_t iteration = -1;        ///< `_iteration_stack`'s last number; -1 if it is empty
  bool ok = false;                    ///< its last done attempt has `_task_ok`
  std::optional<Transition> transition;
  std::string task_id;                ///< in the origin run
};

/// What a resumed run goes on from.
struct Origin {
  std::vector<OriginTask> tasks;
  std::vector<flow::StepIndex> rerun;  ///< these steps are executed in any case
  bool clone_only = false;             ///< nothing is executed
};

}  // namespace headrace::sched
