#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "store/backend.h"
#include "store/blob_store.h"
#include "store/manifest.h"

namespace headrace::store {

/// One task of a finished run, as resume sees it: its newest attempt.
struct OriginTask {
  TaskPath path;
  int attempt = 0;
  bool ok = false;                 ///< DONE and `_task_ok` true: may be cloned
  Manifest manifest;               ///< of `parameters` only: those of ten thousand tasks would not fit well; see reader.h
  std::vector<int> foreach_index;  ///< outermost first
  std::vector<int> iteration;      ///< `_iteration_stack`
  std::vector<std::string> next;   ///< steps of `_transition`; empty if None
  std::optional<std::string> foreach_var;   ///< second part of `_transition`
  std::optional<std::int64_t> splits;       ///< `_foreach_num_splits`, or the nodes of a num_parallel
  std::optional<std::vector<std::string>> control_mapper_tasks;  ///< `_control_mapper_tasks` of a @parallel control task
};

/// Every task of `run` (without `_parameters`), by step and number; written by us or by Metaflow.
/// Tasks whose records cannot be understood are not `ok`, with the reason in `problems`.
struct OriginRun {
  std::vector<OriginTask> tasks;
  std::optional<OriginTask> parameters;
  std::vector<Error> problems;
};
/// Error `missing` if the run has no records.
Result<OriginRun> read_origin(Backend& data, const FlowName& flow, const RunId& run);

/// What one attempt has committed, its manifest included; nullopt if it has not. For an attempt of another machine that could
/// not tell. Error (failed) when its control artifacts cannot be understood.
Result<std::optional<OriginTask>> read_committed(Backend& data, const FlowName& flow, const AttemptPath& attempt);

}  // namespace headrace::store
