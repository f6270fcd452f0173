#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "store/backend.h"

namespace headrace::store {

/// Runs whose metadata is in a datastore only: brings the copies that `CopyingBackend` makes there into a metadata folder, where
/// all readers find them. docs/decisions/0004 has the states.
///
/// In one process a run or list is looked for at most every 2 s. All functions block; any thread, one at a time. `data` and `meta`
/// are those of a request; an error of the datastore is never `missing`, so that nobody takes it for "there is no such run".
class RunCopies {
 public:
  /// Everything of the run that `meta` lacks, unless the run was written there. Nothing happens if there is no copy.
  Result<void> bring_run(Backend& data, Backend& meta, const FlowName& flow, const RunId& run, WallTime now);
  /// The records of all runs of the flow that `meta` lacks; what is in the runs comes by `bring_run`.
  Result<void> bring_runs(Backend& data, Backend& meta, const FlowName& flow, WallTime now);
  /// The same for every flow that `meta` lacks.
  Result<void> bring_flows(Backend& data, Backend& meta, WallTime now);

  /// As `store::change_tags`, for a run whose tags others can see and change elsewhere: the change is in the copy, if there is one.
  Result<codec::Json> change_tags(Backend& data, Backend& meta, const FlowName& flow, const RunId& run,
                                  const std::vector<std::string>& add, const std::vector<std::string>& remove, WallTime now);

 private:
  /// Looks for `what` once in a while; again at once after a look that failed.
  Result<void> look_for(const Backend& data, const Backend& meta, const std::string& what, WallTime now,
                        const std::function<Result<void>()>& look);
  Result<void> bring_runs_now(Backend& data, Backend& meta, const FlowName& flow, WallTime now);
  static Result<void> bring_heads(Backend& data, Backend& meta, const FlowName& flow);
  Result<void> bring_flows_now(Backend& data, Backend& meta, WallTime now);

  std::mutex mutex_;
  std::map<std::string, WallTime> looked_;
};

}  // namespace headrace::store
