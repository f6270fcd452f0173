#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sched/scheduler.h"
#include "sim/oracle.h"

namespace headrace::sim {

/// How bad a world is, in percent; each seed has its own (some kinds off, others frequent).
struct Faults {
  unsigned attempt_fails = 0;
  unsigned exit_202 = 0;
  unsigned hopeless = 0;
  unsigned lost = 0;
  unsigned hangs = 0;          ///< attempts that end only when they are killed
  unsigned ignores_signals = 0;
  unsigned event_twice = 0;
  unsigned event_old = 0;      ///< an earlier event comes once more
  unsigned tick_early = 0;
  unsigned interrupt = 0;      ///< in ten thousand events
  unsigned broken = 0;
  unsigned crash = 0;          ///< of the conductor, in ten thousand events
  unsigned too_wide = 0;
  unsigned wrong_transition = 0;

  static Faults swarm(Random& random);
};

/// One flow, run in a world of virtual time where attempts take as long as they like, until a run of it has finished.
/// When the conductor crashes, or a run has failed, what is recorded is resumed by a new run.
class World {
 public:
  explicit World(std::uint64_t seed);

  /// The first broken invariant, or nothing. Keeps a log of events and commands.
  std::optional<std::string> play();

  [[nodiscard]] const std::vector<std::string>& log() const { return log_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  /// Runs that ended in each way, by FinishRun::End; the crashed ones are not among them.
  [[nodiscard]] const std::map<sched::FinishRun::End, int>& ends() const { return ends_; }
  [[nodiscard]] std::uint64_t clones() const { return clones_; }
  void keep_log() { keep_log_ = true; }

 private:
  struct Attempt {
    int attempt = 0;
    int user_retries = 0;  ///< of its step, or fewer after a hopeless attempt, or more after lost ones
    int losses = 0;        ///< made good
    bool made_good = false;  ///< it was lost, and @retry does not count it
    bool alive = true;
    bool heard = false;  ///< its end was told to the scheduler
    bool ok = false;
    bool wrong = false;  ///< with a transition that the graph does not have
    int exit_code = 0;   ///< that it is going to have
    Instant ends{};
  };
  /// What the datastore knows of a task.
  struct Record {
    bool ok = false;
    bool wrong = false;
    sched::Transition transition;
    std::string id;
  };
  using Records = std::map<Oracle::Place, Record>;

  /// A run from Begin to its end or the crash.
  void play_run(std::optional<sched::Origin> origin, const std::set<flow::StepIndex>& rerun);
  [[nodiscard]] sched::Origin make_origin(std::set<flow::StepIndex>& rerun);
  void deliver(const sched::Event& event);
  bool next_event();
  void carry_out(const sched::Command& command);
  void carry_out_start(const sched::StartAttempt& command);
  void carry_out_clone(const sched::CloneTask& command);
  void carry_out_signal(const sched::SignalAttempt& command);
  void carry_out_finish(const sched::FinishRun& command);
  void check_cloned_all();
  void plan_end(sched::TaskNumber task, Instant when);
  sched::AttemptEnded outcome(sched::TaskNumber task);
  sched::Transition transition_of(const Oracle::Task& task);
  void broken(std::string what);
  void write(std::string line);

  flow::Graph graph_;
  Random random_;
  std::uint64_t seed_;
  flow::Limits limits_;
  Faults faults_;
  std::uint64_t shape_seed_ = 0;  ///< of foreach widths and choices: the same in every run of this flow
  std::optional<std::string> broken_;
  std::vector<std::string> log_;
  bool keep_log_ = false;
  std::uint64_t events_ = 0;
  std::uint64_t clones_ = 0;
  std::map<sched::FinishRun::End, int> ends_;
  Instant now_{};
  Records records_;  ///< of the current run
  Records before_;   ///< of the one that is resumed
  int run_number_ = 0;

  // Of the current run.
  std::unique_ptr<sched::Scheduler> scheduler_;
  std::unique_ptr<Oracle> oracle_;
  std::optional<sched::Origin> origin_;
  std::set<flow::StepIndex> rerun_;
  std::map<sched::TaskNumber, Attempt> attempts_;
  std::set<std::pair<Instant, sched::TaskNumber>> due_;  ///< ends of attempts
  std::vector<sched::TaskNumber> cloning_;
  std::vector<sched::Event> past_;
  std::vector<sched::Event> deliver_later_;  ///< at the next occasion, in any order
  std::set<sched::TaskNumber> marked_;       ///< by the last event
  sched::TaskNumber last_number_ = 0;
  bool cloning_done_ = false;
  bool stopping_ = false;
  bool may_fail_ = false;       ///< something has happened after which the run need not succeed
  bool holding_ = false;
  bool finished_ = false;
  bool interrupted_ = false;
  Instant stopping_since_{};
};

/// What tells a reader how to see a failing seed again.
std::string replay_command(std::uint64_t seed);

}  // namespace headrace::sim
