#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "wire/pod_settings.h"

/// Whether a pod's request can be met by the nodes of a cluster, and what to say when not. Pure.
namespace headrace::launch {

/// A Kubernetes quantity: "1500m", "31000M", "24684060Ki", "6000.0M", "1e3". nullopt for anything else.
[[nodiscard]] std::optional<double> parse_quantity(std::string_view text);

/// What matters of a node.
struct NodeFacts {
  std::string name;
  bool cordoned = false;
  std::map<std::string, std::string> labels;
  std::map<std::string, double> allocatable;  ///< in cores and bytes
  codec::Json taints = codec::Json::array();  ///< those that keep pods away (NoSchedule, NoExecute)
};

/// From a Node; amounts that cannot be read are left out.
[[nodiscard]] NodeFacts read_node(const codec::Json& node);

/// What a pod asks of a node.
struct PodNeeds {
  std::map<std::string, double> amounts;  ///< by resource name, in cores and bytes
  std::map<std::string, std::string> selector;
  codec::Json tolerations = codec::Json::array();
  std::string architecture;
};

/// Error (misuse) for an amount that is not a number.
Result<PodNeeds> needs_of(const wire::PodSettings& settings, const std::string& architecture);

/// How a request stands against all nodes.
struct Placement {
  std::size_t nodes = 0;
  std::size_t usable = 0;    ///< match the selector and architecture, are tolerated and not cordoned
  std::size_t large_enough = 0;  ///< usable, and hold the request when empty
  std::string reason;        ///< why `large_enough` is 0, with numbers; else where it would fit
  std::string advice;        ///< what to change
};

[[nodiscard]] Placement place(const PodNeeds& needs, const std::vector<NodeFacts>& nodes);

/// Signs of something that adds nodes by itself: Karpenter's labels.
[[nodiscard]] bool shows_autoscaler(const std::vector<NodeFacts>& nodes);

}  // namespace headrace::launch
