#pragma once

#include <optional>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "store/backend.h"

/// The run's lease in the datastore: `FLOW/RUN/_headrace/lease` holds the time at which the launcher last said that it lives, as ISO
/// text in UTC. A pod that starts long after it ends at once: nobody waits for its result. All functions block.
namespace headrace::store {

Result<void> renew_run_lease(Backend& data, const FlowName& flow, const RunId& run, WallTime now);

/// When it was renewed last; nullopt if there is none, or none that can be read: then nothing is known of the launcher.
Result<std::optional<WallTime>> read_run_lease(Backend& data, const FlowName& flow, const RunId& run);

/// At the end of the run. Nothing happens if there is none.
Result<void> remove_run_lease(Backend& data, const FlowName& flow, const RunId& run);

}  // namespace headrace::store
