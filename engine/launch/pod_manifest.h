#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "launch/pod_launcher.h"
#include "wire/pod_settings.h"

/// The objects that a run makes in a cluster, as JSON. Pure: the same input gives the same bytes.
namespace headrace::launch {

/// Where a pod finds its parts, and the variables that say so to the bootstrap.
///   HEADRACE_AGENT_PARTS  a folder with the files 000, 001, ...: joined they are the agent, an executable, as one gzip member
///   HEADRACE_AGENT_SHA1   of the executable, uncompressed: 40 hex digits
///   HEADRACE_WORK         an empty folder that anybody may write, execution allowed; the working directory
///   HEADRACE_CODE         an empty folder in memory for the SDK: making its few hundred small files on a node's disk takes longer
///                         than starting Python
inline constexpr const char* kAgentFolder = "/headrace/agent";
inline constexpr const char* kWorkFolder = "/headrace/work";
inline constexpr const char* kCodeFolder = "/headrace/code";

/// A label whose value is `run_key`: selects every pod and owner of one run, and nothing else.
inline constexpr const char* kRunLabel = "headrace/run";
/// A label whose value is the agent's hash, on its config maps.
inline constexpr const char* kAgentLabel = "headrace/agent";

/// 40 hex digits, of the datastore's root, the flow and the run.
[[nodiscard]] std::string run_key(const RunName& run);
/// `headrace/run=<run_key>`.
[[nodiscard]] std::string run_selector(const RunName& run);

/// One try of one attempt.
struct PodIdentity {
  RunName run;
  std::string step;
  std::string task;
  int attempt = 0;
  int try_number = 0;
};

/// `hr-<step>-<task>-<attempt>-<try>-<10 digits of the run's key>`, at most 63 characters of [a-z0-9-]; the step is cut.
[[nodiscard]] std::string pod_name(const PodIdentity& id);
/// As Kubernetes takes it for a container: lower case, `_` as `-`, at most 63 characters.
[[nodiscard]] std::string container_name(std::string_view step);

/// The agent as it lies in a namespace.
struct AgentMaps {
  std::string sha1;                ///< of the executable
  std::string architecture;        ///< as Kubernetes says: `amd64`, `arm64`
  std::vector<std::string> names;  ///< of the config maps, in the order of the parts
};
/// The key in each of these config maps.
inline constexpr const char* kAgentPartKey = "part";

/// The object that owns a run's pods in one namespace.
struct Owner {
  std::string name;
  std::string uid;
};

struct PodPlan {
  PodIdentity id;
  const wire::PodSettings* settings = nullptr;
  AgentMaps agent;
  Owner owner;
  std::string bootstrap;                           ///< Python text
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> annotations;
  bool limit_memory = true;
  bool restricted = false;  ///< as the Pod Security Standard of that name asks
};

/// The pod, ready to be posted.
[[nodiscard]] codec::Json pod_manifest(const PodPlan& plan);

}  // namespace headrace::launch
