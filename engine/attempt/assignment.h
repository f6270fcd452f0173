#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "store/run_records.h"
#include "wire/messages.h"

namespace headrace::attempt {

/// What is the same for all attempts of a run.
struct RunFacts {
  store::RunIdentity identity;         ///< flow, run, user, tags, datastore
  std::string space;                   ///< namespace: "user:ann"
  std::string metadata_root;
  std::string sys_version;             ///< `python_version` of N.data.json
  std::optional<std::string> origin_run;  ///< of a resumed run
  std::vector<store::Field> fields;    ///< metadata written for every attempt: runtime, user, script-name, ...
};

/// What a spec of the wire (`wire::RunSpec`, `wire::AgentSpec`) says of them; `fields` is the spec's own list. The run is not named yet.
template <class Spec>
RunFacts facts_of(const Spec& spec, const std::vector<wire::MetadataField>& fields, std::string metadata_root) {
  RunFacts facts{
      .identity = {.flow = FlowName(spec.flow),
                   .run = {},
                   .user = spec.user,
                   .tags = spec.tags,
                   .system_tags = spec.sys_tags,
                   .datastore_type = spec.datastore_type,
                   .datastore_root = spec.datastore_root},
      .space = spec.namespace_,
      .metadata_root = std::move(metadata_root),
      .sys_version = spec.sys_version,
      .origin_run = {},
      .fields = {},
  };
  for (const wire::MetadataField& field : fields) {
    facts.fields.push_back({.name = field.field, .type = field.type, .value = field.value, .tags = field.tags});
  }
  return facts;
}

/// Whether an attempt belongs to a @parallel step, and as what.
using Part = wire::ParallelRole;

/// One attempt: what it is and what it gets. Immutable while it is served.
struct Assignment {
  AttemptPath path;
  int max_user_code_retries = 0;  ///< attempts above this number are fallbacks of @catch
  std::optional<std::int64_t> split_index;
  bool join = false;
  std::vector<TaskPath> inputs;   ///< in split order; `_parameters` for the entry step
  TaskPath parameters;
  Part part = Part::none;
  std::int64_t num_parallel = 0;
  std::int64_t node_index = 0;
  std::string control_task;       ///< of a worker: the id of its control task
};

/// Of node `index` (from 1) of the step whose control task is `control`.
inline Assignment worker_of(const Assignment& control, std::int64_t index) {
  Assignment worker = control;
  worker.part = Part::worker;
  worker.node_index = index;
  worker.split_index = index;
  worker.control_task = control.path.task.task.str();
  worker.path.task.task = TaskId(worker.control_task + "_node_" + std::to_string(index));
  return worker;
}

/// The transition and verdict of an attempt that has committed.
struct Committed {
  bool ok = false;                     ///< `_task_ok`
  bool has_transition = false;
  std::vector<std::string> next;
  std::optional<std::int64_t> splits;
};

}  // namespace headrace::attempt
