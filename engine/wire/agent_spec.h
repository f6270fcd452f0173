#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "wire/messages.h"

/// What a run tells the agent of a pod: docs/formats/wire.md, section 7.
namespace headrace::wire {

/// The code package: a raw blob of the flow.
struct CodePackage {
  std::string sha;
  std::string url;
  std::string metadata;  ///< JSON text
  bool operator==(const CodePackage&) const = default;
};

/// One attempt, and all that a machine without the run's files must know of the run.
struct AgentSpec {
  // The run.
  std::string flow;
  RunId run;
  std::string user;
  std::string namespace_;              ///< of the client in tasks: "user:ann"
  std::vector<std::string> tags;
  std::vector<std::string> sys_tags;
  std::string datastore_type;          ///< `s3`; `local` in tests and on a shared file system
  std::string datastore_root;
  std::string sys_version;             ///< of the launcher's Python; the pod's own is told by the bootstrap
  std::optional<std::string> origin_run;
  std::vector<MetadataField> fields;   ///< metadata of every attempt
  CodePackage code;

  // The attempt.
  StepName step;
  TaskId task;
  int attempt = 0;
  int try_number = 0;                  ///< repeats of this attempt after losses of infrastructure
  int max_user_code_retries = 0;
  std::optional<std::int64_t> split_index;
  bool join = false;
  std::vector<TaskPath> inputs;        ///< in split order; all of this run
  TaskPath parameters;
  ParallelRole part = ParallelRole::none;
  std::int64_t num_parallel = 0;
  std::int64_t node_index = 0;
  std::string control_task;

  // Its process.
  std::vector<std::string> command;    ///< what runs a step, without the words `step NAME` and without the interpreter
  std::string configs;                 ///< JSON text for --local-config-file; "" if the flow has no configs
  std::map<std::string, std::string> environment;  ///< of @environment: for the task only
  std::uint64_t log_bytes_max = 10'485'760;        ///< stored per stream
  std::int64_t grace_s = 3;            ///< between SIGTERM and SIGKILL
  std::int64_t lease_s = 0;            ///< a pod that starts when the run's lease is older runs nothing; 0: it is not looked at
};

/// Ranges of inputs with consecutive ids are written as one item: a join's tens of thousands stay small.
[[nodiscard]] std::string to_text(const AgentSpec& spec);
/// Error (misuse) that names the field; a spec of another wire version is refused.
Result<AgentSpec> parse_agent_spec(std::string_view text);

/// The environment variables that carry a spec: HEADRACE_AGENT_SPEC, or HEADRACE_AGENT_SPEC_0, _1, ... in pieces, since one
/// variable may hold 128 KiB.
[[nodiscard]] std::map<std::string, std::string> to_environment(std::string_view spec_text);
/// Joins them; `variable` looks one up, nullptr if it is not set. Error (misuse) if there is none.
Result<std::string> spec_text_from(const std::function<const char*(const std::string& name)>& variable);

}  // namespace headrace::wire
