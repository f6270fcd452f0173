#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attempt/assignment.h"
#include "attempt/blob_cache.h"
#include "attempt/manifest_cache.h"
#include "base/random.h"
#include "base/result.h"
#include "console/output.h"
#include "console/run_lines.h"
#include "launch/host_launcher.h"
#include "launch/pod_launcher.h"
#include "launch/renewals.h"
#include "loop/async.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/signals.h"
#include "loop/task_group.h"
#include "loop/timer.h"
#include "loop/worker_pool.h"
#include "run/failure_facts.h"
#include "run/live_attempt.h"
#include "run/memory.h"
#include "sched/scheduler.h"
#include "store/backend.h"
#include "store/blob_store.h"
#include "store/origin.h"
#include "store/run_copy.h"
#include "store/run_records.h"
#include "wire/agent_spec.h"
#include "wire/flow_spec.h"

namespace headrace::run {

/// What a run is made of. All must outlive the driver.
struct Parts {
  loop::EventLoop& loop;
  loop::WorkerPool& pool;
  store::Backend& data;
  store::Backend& meta;  ///< the same object as `data` when both are one directory
  launch::HostLauncher& launcher;
  console::Output& out;
  console::Output& err;
  Random& random;
  store::Backend* input_data = nullptr;  ///< spin: the datastore that the inputs are in
  launch::PodLauncher* pods = nullptr;   ///< there if a step runs in a pod
  store::CopyingBackend* copy = nullptr;  ///< `meta`, if the run's metadata is copied into its datastore too
  Duration start_lease = 15min;          ///< a pod that starts when this run has given no sign of life for so long ends at once
};

/// One run (or resume, or spin) from start to end: gives the scheduler its events, carries out its commands.
///
/// Owns the run's records: attempts write their own through their sessions. Nothing is kept of a finished task but what the
/// scheduler needs for joins. Everything runs on the loop thread; files are written on the pool.
class Driver {
 public:
  Driver(Parts parts, wire::RunSpec spec);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// The whole run; the exit code of the command. Once.
  [[nodiscard]] loop::Async<int> run();

  /// True when `run` has ended while something may still wait for the cluster, as after an interrupt: the process must end without
  /// taking down its parts.
  [[nodiscard]] bool left() const { return left_ || removing_; }

 private:
  friend class PodAttempt;
  friend class PodNodes;
  friend class PodTask;
  friend class WorkerTeam;
  using Key = std::pair<sched::TaskNumber, int>;

  // begin_run.cc: what comes before the first task.
  [[nodiscard]] loop::Async<Result<void>> begin_run();
  [[nodiscard]] Result<void> refuse_what_cannot_run() const;
  [[nodiscard]] loop::Async<Result<RunId>> make_run_id();
  [[nodiscard]] loop::Async<Result<void>> write_run_files();
  [[nodiscard]] loop::Async<void> offer_attributes();
  void say_first_line();

  // parameters.cc
  [[nodiscard]] loop::Async<Result<void>> store_parameters();

  // resume.cc
  [[nodiscard]] loop::Async<Result<void>> begin_resume();
  /// Of a resume that several commands make together: true if this one is to clone; else false, when the leader has.
  [[nodiscard]] loop::Async<Result<bool>> lead_resume();
  [[nodiscard]] sched::Origin origin_for_scheduler() const;
  [[nodiscard]] loop::Async<void> clone_task(sched::CloneTask command);
  [[nodiscard]] loop::Async<Result<void>> clone_one(std::string origin_task, TaskPath target);
  [[nodiscard]] loop::Async<void> cloning_done();

  // spin.cc
  [[nodiscard]] loop::Async<int> spin();
  [[nodiscard]] attempt::Assignment spin_assignment(sched::StartAttempt command) const;
  void spin_ended(LiveAttempt& live, int exit_code);

  // driver.cc: events in, commands out.
  void feed(const sched::Event& event);
  void carry_out(sched::StartAttempt command);
  void carry_out(sched::CloneTask command);
  void carry_out(sched::SignalAttempt command);
  void carry_out(sched::MarkKilled command);
  void carry_out(sched::SayTask command);
  void carry_out(sched::SayRun command);
  void carry_out(sched::HoldLines command);
  void carry_out(sched::ReleaseLines command);
  void carry_out(sched::CloningDone command);
  void carry_out(sched::NotExecuted command);
  void carry_out(sched::FinishRun command);
  void broken(const Error& error);
  [[nodiscard]] LiveAttempt* find(sched::TaskNumber task, int attempt);

  // start_tasks.cc
  [[nodiscard]] loop::Async<void> run_attempt(LiveAttempt* live);
  [[nodiscard]] loop::Async<Result<void>> launch(LiveAttempt* live);
  [[nodiscard]] attempt::Assignment assignment_of(sched::StartAttempt command) const;
  [[nodiscard]] TaskPath path_of(const sched::TaskRef& ref) const;
  [[nodiscard]] attempt::Services services();

  [[nodiscard]] std::unique_ptr<logs::AttemptLog> make_log(const LiveAttempt& live);

  // pods_of_run.cc
  [[nodiscard]] bool has_pods() const;
  [[nodiscard]] loop::Async<void> begin_pods();
  [[nodiscard]] loop::Async<Result<void>> store_package();
  /// Renews the run's lease in the datastore, now and again until the end.
  [[nodiscard]] loop::Async<Result<void>> renew_lease();
  void look_at_lease();
  [[nodiscard]] loop::Async<void> renew_lease_again();
  [[nodiscard]] wire::AgentSpec agent_spec_of(const attempt::Assignment& assignment) const;
  /// Metadata of every attempt in a pod.
  [[nodiscard]] std::vector<store::Field> pod_fields() const;
  /// Every pod of the run at once; called again it does nothing.
  void remove_pods();
  [[nodiscard]] loop::Async<void> remove_all_pods();
  /// The user does not wait for the cluster any longer.
  void leave();
  [[nodiscard]] loop::Async<void> end_pods();
  [[nodiscard]] std::string removal_command() const;
  /// Waits for `work`; nullopt when the user does not wait any longer: then it goes on unheard.
  template <class T>
  [[nodiscard]] loop::Async<std::optional<T>> unless_left(loop::Async<T> work);
  template <class T>
  [[nodiscard]] static loop::Async<void> keep(loop::Async<T> work, std::shared_ptr<std::optional<T>> result, loop::Event& kept);

  // copy_records.cc: the metadata in the datastore, docs/decisions/0004.
  void begin_copy();
  [[nodiscard]] loop::Async<Result<void>> copy_now();
  [[nodiscard]] loop::Async<void> copy_often();
  [[nodiscard]] loop::Async<void> end_copy();

  // output.cc
  [[nodiscard]] loop::Async<void> pump(LiveAttempt* live, Stream stream);
  [[nodiscard]] loop::Async<void> read_last_output(LiveAttempt* live);
  void take_output(LiveAttempt& live, Stream stream, std::string_view bytes);
  void take_line(LiveAttempt& live, Stream stream, std::string_view line);
  void own_line(LiveAttempt& live, Stream stream, std::string text, bool newline);
  void flush_soon();
  void flush_now();

  // finish.cc
  [[nodiscard]] loop::Async<void> end_attempt(LiveAttempt* live, Result<launch::TaskExit> exit);
  [[nodiscard]] loop::Async<Result<void>> store_end(LiveAttempt* live);
  [[nodiscard]] loop::Async<int> end_run();
  void say_failure();
  /// Its records are whole.
  void retire(const LiveAttempt& live);
  void fail_before_start(const Error& error);

  // interrupt.cc
  [[nodiscard]] loop::Async<void> watch_signals();
  void interrupt();
  void stop_like_the_terminal_asked();

  Parts parts_;
  wire::RunSpec spec_;
  attempt::RunFacts facts_;
  std::unique_ptr<store::RunRecords> records_;
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<store::BlobStore> input_blobs_;
  std::unique_ptr<attempt::ManifestCache> manifests_;
  attempt::BlobCache small_blobs_;
  std::unique_ptr<store::OriginRun> origin_;
  std::map<std::string, std::size_t> origin_by_id_;
  std::unique_ptr<sched::Scheduler> scheduler_;
  console::RunLines lines_;

  std::map<Key, std::unique_ptr<LiveAttempt>> live_;
  loop::TaskGroup work_;    ///< attempts and clones
  loop::TaskGroup watching_;  ///< signals, the attribute file
  loop::Timer deadline_;
  loop::Timer flush_timer_;
  loop::Timer lease_timer_;
  launch::Renewals renewals_;
  loop::Timer preparation_;  ///< until a run that was interrupted while it prepared the cluster leaves
  bool flush_posted_ = false;
  loop::Event flushed_;
  loop::Event room_;  ///< for lines of pods; apart from `flushed_`, since hundreds of logs may wait for a terminal that is stopped
  loop::Event finished_;
  std::optional<sched::FinishRun> finish_;
  std::optional<Error> broken_;
  std::optional<Error> not_offered_;  ///< why nobody could read the attribute file
  FailureFacts facts_of_failures_;
  OomWatch oom_;
  std::unique_ptr<loop::Signals> signals_;
  wire::CodePackage package_;
  std::optional<Result<void>> pods_begun_;
  bool pods_touched_ = false;       ///< the cluster may hold something of this run
  bool removing_ = false;           ///< all pods are being removed
  std::unique_ptr<loop::Timer> copy_timer_;
  bool copying_ = false;
  std::optional<Error> not_copied_;  ///< why the metadata in the datastore is not whole
  std::optional<Error> pods_left_;  ///< what could not be removed
  bool left_ = false;
  loop::Event unheard_;             ///< something was kept, or left_ has changed
  bool stopped_ = false;  ///< a signal asked for the end
  bool ended_ = false;
};

template <class T>
loop::Async<void> Driver::keep(loop::Async<T> work, std::shared_ptr<std::optional<T>> result, loop::Event& kept) {
  result->emplace(co_await std::move(work));
  kept.notify();
}

template <class T>
loop::Async<std::optional<T>> Driver::unless_left(loop::Async<T> work) {
  auto result = std::make_shared<std::optional<T>>();
  parts_.loop.spawn(keep<T>(std::move(work), result, unheard_));
  while (!*result && !left_) co_await unheard_.wait();
  co_return std::move(*result);
}

}  // namespace headrace::run
