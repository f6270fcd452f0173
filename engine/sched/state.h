#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sched/open_splits.h"
#include "sched/origin_index.h"
#include "sched/ready_queue.h"
#include "sched/scheduler.h"

namespace headrace::sched {

/// All that a Scheduler knows. Its member functions are in three files: scheduler.cc takes events and starts attempts,
/// routing.cc follows transitions, ending.cc stops a run.
class Scheduler::State {
 public:
  State(const flow::Graph& graph, flow::Limits limits, std::optional<Origin> origin);

  std::vector<Command> apply(const Event& event, Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] bool finished() const { return phase_ == Phase::finished; }

 private:
  enum class Phase {
    idle,      ///< before Begin
    cloning,   ///< what can be cloned is known and being copied; the rest waits
    running,
    stopping,  ///< nothing starts any more; live attempts get kGrace
    finished,
  };

  /// A task with a number that has not ended.
  struct Live {
    ReadyTask task;
    int attempt = 0;
    int user_retries = 0;  ///< of the step; less after a hopeless attempt, more after a lost one: those above are fallbacks
    int losses = 0;        ///< made good
    /// Of the timeout: the time to terminate, then the time to kill. nullopt: none.
    std::optional<Instant> deadline;
    bool terminated = false;  ///< by its timeout
    bool killed = false;      ///< by the end of the run
  };
  using LiveTasks = std::map<TaskNumber, Live>;

  /// What is known of a task whose transition is followed.
  struct Ended {
    flow::StepIndex step = 0;
    Position at;
    TaskRef ref;
    std::int64_t num_parallel = 0;
  };

  struct StepCount {
    std::uint64_t running = 0;
    std::uint64_t done = 0;
    bool queued = false;  ///< has ever been
  };

  // scheduler.cc
  void on(const Begin&, Instant now);
  void on(const AttemptStarted& event, Instant now);
  void on(const AttemptEnded& event, Instant now);
  void on(const TaskCloned& event, Instant now);
  void on(const Interrupted&, Instant now);
  void on(const RunBroken& event, Instant now);
  void on(const Tick&, Instant now);
  void start_tasks();
  /// `waits`: first for the step's `retry_wait_s`, if it goes to Kubernetes.
  void start_attempt(TaskNumber number, Live& live, bool waits);
  void say_outcome(const AttemptEnded& event, const Live& live, bool ok);
  void attempt_failed(LiveTasks::iterator live, const AttemptEnded& event, Instant now);
  /// Gives a task whose attempt was lost one attempt more, and says so; false: it has had all it can have.
  bool make_good(Live& task, const AttemptEnded& event);
  void progress(Instant now);
  void set_deadline(TaskNumber number, Live& live, std::optional<Instant> deadline);
  void check_timeouts(Instant now);

  // routing.cc
  /// Why `transition` is not one that the step can make; nullopt if it can.
  [[nodiscard]] std::optional<std::string> disagreement(flow::StepIndex step, const Transition& transition) const;
  /// Queues what follows. Gives the failure of the run if nothing can.
  std::optional<Failure> follow(const Ended& task, const Transition& transition);
  std::optional<Failure> follow_foreach(const Ended& task, const Transition& transition);
  std::optional<Failure> follow_parallel(const Ended& task, const Transition& transition);
  void go(const Ended& task, flow::StepIndex target, Position at);
  void push(ReadyTask task);
  void plan_clones();
  void send_clones(Instant now);

  // ending.cc
  void fail(Failure failure, std::optional<TaskRef> task, Instant now);
  void stop(FinishRun finish, Instant now);
  void kill_all(Instant now);
  void flush(ReleaseLines release);
  void finish(FinishRun finish);
  void finish_when_idle();

  const flow::Graph& graph_;
  const flow::Limits limits_;
  std::optional<OriginIndex> origin_;

  Phase phase_ = Phase::idle;
  std::vector<Command> out_;
  TaskNumber last_number_ = 0;
  OpenSplits splits_;
  ReadyQueue queue_;
  LiveTasks live_;
  std::set<std::pair<Instant, TaskNumber>> timeouts_;
  bool end_reached_ = false;

  std::deque<CloneTask> clones_;      ///< to be sent
  std::set<TaskNumber> clones_sent_;  ///< and not yet answered
  struct Trouble {
    Failure failure;
    TaskRef task;
  };
  std::optional<TaskRef> not_repeated_;  ///< the last task whose failure did not stop the run
  std::optional<Trouble> trouble_;  ///< found while planning clones; fails the run after them

  std::vector<StepCount> counts_;
  std::vector<flow::StepIndex> started_;  ///< steps in the order of their first task
  Instant progress_at_{};

  // While stopping.
  Instant stopping_since_{};
  bool killed_ = false;
  bool holding_ = false;
  bool flushed_ = false;  ///< `Flushing logs...` was said
  FinishRun finish_;
};

}  // namespace headrace::sched
