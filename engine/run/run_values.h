#pragma once

#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "store/backend.h"
#include "store/blob_store.h"
#include "store/run_records.h"
#include "wire/flow_spec.h"

/// What a run stores before its first task. What stores blocks (worker pool).
namespace headrace::run {

/// Stores the files of IncludeFile where their URLs say.
Result<void> store_includes(const wire::RunSpec& spec);

/// Stores the values of the run as `_parameters/TASK`; what was stored. `fields` are those of every attempt.
Result<store::Manifest> store_values(store::RunRecords& records, store::BlobStore& blobs, const wire::RunSpec& spec, const TaskId& task,
                                     const std::vector<store::Field>& fields, WallTime now);

/// `init`: registers the run that `spec.init` names and stores its values. The tasks are run by others.
Result<void> init_run(const wire::RunSpec& spec, store::Backend& data, store::Backend& meta, WallTime now);

}  // namespace headrace::run
