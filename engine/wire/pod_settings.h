#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace headrace::wire {

/// What @kubernetes asks for, settled and merged with @resources by the SDK: STEP.kubernetes of the flow spec
/// (docs/formats/wire.md, section 6.1). Amounts stay the text that the SDK gives: "6000.0" is what the pod's request says.
struct PodSettings {
  std::string image;
  std::string image_pull_policy;  ///< here and below: "" if not given
  std::string namespace_ = "default";
  std::string service_account;
  std::string cpu = "1";
  std::string memory_mb = "4096";  ///< MB of 10^6 bytes
  std::string disk_mb = "10240";
  std::string gpu;                 ///< "" none; "0" is written as a limit of 0
  std::string gpu_vendor = "nvidia";
  std::string qos = "burstable";   ///< `burstable` or `guaranteed`
  std::string executable;          ///< the Python in the image; "" for the default
  std::vector<std::string> image_pull_secrets;
  std::vector<std::string> secrets;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::map<std::string, std::string> node_selector;
  std::map<std::string, std::string> persistent_volume_claims;  ///< claim -> mount path
  codec::Json tolerations = codec::Json::array();
  codec::Json extended_resources = codec::Json::object();
  codec::Json security_context;    ///< null or an object, with the SDK's names: `run_as_user`, ...
  std::optional<std::int64_t> tmpfs_size_mib;  ///< there is a tmpfs exactly if this is given
  std::string tmpfs_path = "/metaflow_temp";
  bool tmpfs_tempdir = true;
  std::optional<std::int64_t> shared_memory_mib;
  std::optional<std::int64_t> port;
  std::int64_t time_limit_s = 432'000;
  bool operator==(const PodSettings&) const = default;
};

/// Error (misuse) that names the field. What may be absent, and what it then is, is the struct's default.
Result<PodSettings> parse_pod_settings(const codec::Json& json);
[[nodiscard]] codec::Json to_json(const PodSettings& settings);

}  // namespace headrace::wire
