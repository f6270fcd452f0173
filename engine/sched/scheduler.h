#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "flow/graph.h"
#include "flow/limits.h"
#include "sched/command.h"
#include "sched/event.h"

namespace headrace::sched {

/// Live tasks get this long to end after a failure or an interrupt, and after the signal of a timeout.
inline constexpr Duration kGrace = 5s;
/// The task itself raises its TimeoutException at `timeout_s`; what does not end (it hangs in C code) is terminated so much later.
inline constexpr Duration kTimeoutSlack = 5s;
/// Metaflow's interval of the lines that say what runs.
inline constexpr Duration kProgressInterval = 300s;
/// CloneTask commands without an answer.
inline constexpr int kClonesInFlightMax = 64;
/// Lost attempts of one task that are made good: they are not the user's failures.
inline constexpr int kLossesMax = 3;
/// An attempt that ends with this code is not repeated, and does not fail the run by itself.
inline constexpr int kExitDisallowRetry = 202;

/// Decides what to start, repeat and stop in one run.
///
/// Does no I/O and reads no clock. The same events at the same instants give the same commands, so a run can be replayed from
/// its journal. Owned and called by run::Driver on the loop thread.
///
/// Order of work: tasks are queued first in, first out, and get their number when they start; a foreach is one entry of the
/// queue however wide it is. An attempt keeps its slot while it is repeated. Cost of an event: O(log max_workers), plus the
/// inputs of a join when it starts.
class Scheduler {
 public:
  /// `graph` must outlive the scheduler. With `origin` the run is resumed: what can be is cloned first.
  Scheduler(const flow::Graph& graph, flow::Limits limits, std::optional<Origin> origin = std::nullopt);
  ~Scheduler();
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;

  /// Takes one fact; returns what to do about it, in order. Facts about an attempt that is not live are ignored: they come
  /// late and twice. After FinishRun every event is ignored.
  [[nodiscard]] std::vector<Command> apply(const Event& event, Instant now);

  /// When `apply(Tick{})` would next do something; nullopt if never.
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  [[nodiscard]] bool finished() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::sched
