#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/child.h"
#include "agent/memory_peak.h"
#include "agent/other_nodes.h"
#include "agent/report_file.h"
#include "agent/task_output.h"
#include "attempt/blob_cache.h"
#include "attempt/manifest_cache.h"
#include "attempt/session.h"
#include "base/random.h"
#include "base/result.h"
#include "console/output.h"
#include "logs/attempt_log.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/signals.h"
#include "loop/task_group.h"
#include "loop/timer.h"
#include "loop/worker_pool.h"
#include "store/backend.h"
#include "store/blob_store.h"
#include "store/run_records.h"
#include "wire/agent_report.h"
#include "wire/agent_spec.h"

namespace headrace::agent {

/// Where the agent runs, as the bootstrap and the pod tell it.
struct Surroundings {
  std::string folder;          ///< the task's working directory: the code package is unpacked there, `.metaflow` lies in it
  std::string python;          ///< the interpreter
  std::string python_version;  ///< its sys.version; "" if nobody told
  std::string engine;          ///< this executable, for the task's own clients
  std::string report;          ///< file of the termination message
  std::map<std::string, std::string> environment;
};

/// What an agent is made of. All must outlive it.
struct Parts {
  loop::EventLoop& loop;
  loop::WorkerPool& pool;
  store::Backend& data;
  store::Backend& meta;  ///< of this machine only, at `.metaflow` in the working directory
  console::Output& out;  ///< the pod's log
  Random& random;
};

/// Runs one attempt on a machine of its own: fetches the code, serves the attempt's channel, starts Python, keeps its lines, passes signals
/// on, stores what the run must know, in this order: the attempt's records and DONE (by the session), the log, `N.local_metadata`,
/// the report.
///
/// A repeated try of an attempt that has committed runs nothing and reports what was committed: a result is published once.
///
/// The report is written again each second, so that something is known of an agent that was killed.
class Agent {
 public:
  Agent(Parts parts, wire::AgentSpec spec, Surroundings surroundings);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// All of it; the exit code of the process: the task's as a shell counts, 1 if it ended without a result or the agent itself failed.
  /// Once.
  [[nodiscard]] loop::Async<int> run();

 private:
  /// Fetches the code and runs the task, to its end.
  [[nodiscard]] loop::Async<void> run_task();
  /// For a repeated try: whether an earlier one has committed the attempt, and was lost after that.
  [[nodiscard]] loop::Async<Result<bool>> look_for_commit();
  /// Error (retry) when the run's lease has passed: nobody waits for this attempt.
  [[nodiscard]] loop::Async<Result<void>> look_for_launcher();
  [[nodiscard]] loop::Async<Result<void>> fetch_code();
  [[nodiscard]] Result<void> start_task();
  [[nodiscard]] loop::Async<void> wait_for_task();
  [[nodiscard]] loop::Async<void> store_end();
  [[nodiscard]] loop::Async<void> send_metadata();
  [[nodiscard]] loop::Async<void> watch_signals();
  void stop_task();
  void warn_of_other_python();
  /// The task will not run: because a signal asked for the end, or for what went wrong.
  void not_started(Error why);
  /// Remembers the first failure of the agent and says it in the log.
  void failed(Error error);
  void enter(std::string stage);
  void report();
  [[nodiscard]] int exit_code() const;
  [[nodiscard]] attempt::Services services();

  Parts parts_;
  wire::AgentSpec spec_;
  Surroundings surroundings_;
  attempt::RunFacts facts_;
  attempt::Assignment assignment_;
  store::RunRecords records_;
  store::BlobStore blobs_;
  attempt::ManifestCache manifests_;
  attempt::BlobCache small_blobs_;
  OtherNodes other_nodes_;
  attempt::Session session_;
  logs::AttemptLog log_;
  TaskOutput output_;
  MemoryPeak memory_;
  ReportFile report_file_;
  wire::AgentReport report_;
  bool report_failed_ = false;
  bool committed_before_ = false;  ///< by an earlier try

  std::optional<pid_t> task_;
  std::optional<ChildEnd> end_;
  std::optional<int> stopped_by_;  ///< a signal asked for the end
  loop::TaskGroup serving_;
  loop::TaskGroup watching_;
  loop::Event changed_;            ///< the task has ended, or the end was asked for
  loop::Timer kill_timer_;
  loop::Timer report_timer_;
  std::unique_ptr<loop::Signals> signals_;
};

/// Says in the pod's log and in the report why there is no agent; the exit code.
int cannot_begin(console::Output& out, const std::string& report_path, Error error);

}  // namespace headrace::agent
