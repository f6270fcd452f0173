#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "store/backend.h"
#include "store/manifest.h"

namespace headrace::store {

/// The code package that tasks on other machines run: a raw blob of the flow.
struct PackageRecord {
  std::string sha;
  std::string url;
  std::string metadata;  ///< JSON text
};

/// What every metadata object of a run carries.
struct RunIdentity {
  FlowName flow;
  RunId run;
  std::string user;
  std::vector<std::string> tags;
  std::vector<std::string> system_tags;
  std::string datastore_type = "local";
  std::string datastore_root;  ///< as shown in ds-root and artifact locations
  std::string origin_run_id = "None";  ///< Metaflow's text for a run that was not resumed
  std::optional<PackageRecord> package{};  ///< what the attempts run that are begun here; `N.task_begin` says so
};

/// One metadata value: a `sysmeta_<name>_<ms>.json`.
struct Field {
  std::string name;
  std::string type;
  codec::Json value;
  std::vector<std::string> tags{};  ///< `attempt_id:N` is put before them
  bool of_attempt = true;           ///< false: no `attempt_id:N` (start_step, end_step)
};

/// How an attempt's process ended: `N.runtime`.
struct ProcessEnd {
  int return_code = 0;  ///< negative: signal
  bool killed = false;  ///< SIGKILL by us
  bool success = true;
};

/// Writes the records of one run: data part and metadata part. One writer per record, so calls about different attempts may
/// come from different threads; calls about one attempt in order. All functions block (worker pool). `now` becomes ts_epoch.
class RunRecords {
 public:
  /// Both backends must outlive it; they may be the same object. With one object a task's files of both parts appear at once.
  RunRecords(Backend& data, Backend& meta, RunIdentity identity);

  [[nodiscard]] const RunIdentity& identity() const { return identity_; }

  /// Registers a new run and returns its id, `int(now * 1e6)` or the next free number; `identity.run` is ignored.
  /// Also makes the flow's record.
  static Result<RunId> new_run(Backend& meta, const RunIdentity& identity, WallTime now);
  /// Registers a run with a given id; one that exists is left as it is.
  static Result<void> register_run(Backend& meta, const RunIdentity& identity, WallTime now);
  /// FLOW/latest_run: of the data part, or of the metadata part if the data is not in a directory.
  Result<void> set_latest_run();

  /// The whole of `_parameters/TASK`: manifest, DONE and metadata, at once.
  Result<void> parameters(const TaskId& task, const Manifest& manifest, const std::vector<Field>& fields, WallTime now);
  /// `_resume_done` of `_parameters/TASK` (content `true`).
  Result<void> resume_done(const TaskId& task);
  /// Whether `resume_done` was called for it, by whomever.
  Result<bool> is_resume_done(const TaskId& task);
  /// Of several commands that resume into this run one leads: the one named here if it is the first, or led before. Its name.
  Result<std::string> resume_leader(const TaskId& task, const std::string& name);

  /// An attempt begins: step record if new, task record if new, `N.attempt.json`, `N.task_begin`, the metadata attempt,
  /// origin-run-id, ds-type and ds-root, and `fields`. Also for an attempt whose process died before it could ask.
  Result<void> begin(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now);
  /// More metadata of an attempt that has begun.
  Result<void> add_fields(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now);
  /// The commit: `N.data.json` (once: error `misuse` if another writer was first), artifact records, `fields` and
  /// attempt-done, `N.task_end`, and last DONE. `ok` is the value of attempt_ok.
  Result<void> finish(const AttemptPath& attempt, const Manifest& manifest, bool ok, const std::vector<Field>& fields,
                      WallTime now);
  /// The metadata part of `begin` and `finish` for an attempt that ran on another machine and could not send it. Without a
  /// manifest, what says that it has begun; its `N.attempt.json` and `N.task_begin` are written where they are missing. With one, the
  /// attempt was committed: DONE is written where its process did not come to it.
  Result<void> restore(const AttemptPath& attempt, const Manifest* manifest, bool ok, const std::vector<Field>& fields, WallTime now);
  /// The metadata part of `begin` for an attempt that was asked for and never ran.
  Result<void> note_unstarted(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now);
  /// Whether the attempt has its DONE, and its task is known to clients.
  Result<bool> is_done(const AttemptPath& attempt);
  /// `N.runtime`.
  Result<void> ended(const AttemptPath& attempt, const ProcessEnd& end);

  /// A finished task by reference, attempt 0, whole and at once. `fields` are those every task of this run gets;
  /// `origin` is the task whose manifest it is. Of `_parameters`, what `parameters` writes.
  Result<void> clone(const TaskPath& task, const TaskPath& origin, const Manifest& manifest, const std::vector<Field>& fields,
                     WallTime now);

 private:
  struct Batch;
  Result<void> put(const TaskPath& task, Batch batch);
  /// The key of a file that belongs to `_parameters/TASK` and to none of its attempts.
  [[nodiscard]] Result<std::string> parameters_key(const TaskId& task, std::string_view name) const;
  Result<void> step_record(const StepName& step, WallTime now);
  Result<void> add_begin(Batch& batch, const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now);
  Result<void> mark_done(const std::string& task, int attempt);
  void add_end(Batch& batch, const AttemptPath& attempt, const Manifest& manifest, bool ok, const std::vector<Field>& fields,
               WallTime now) const;
  void add_self(Batch& batch, const TaskPath& task, WallTime now) const;
  void add_field(Batch& batch, const AttemptPath& attempt, const Field& field, WallTime now) const;
  void add_artifacts(Batch& batch, const AttemptPath& attempt, const Manifest& manifest, WallTime now) const;

  Backend& data_;
  Backend& meta_;
  RunIdentity identity_;
};

}  // namespace headrace::store
