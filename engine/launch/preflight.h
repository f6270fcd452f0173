#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "kube/client.h"
#include "launch/placement.h"
#include "launch/pod_launcher.h"
#include "launch/pod_policy.h"
#include "loop/async.h"

/// What can be known before the first pod is made: that a run cannot work on this cluster, said at once instead of after a wait.
namespace headrace::launch {

/// A right in a namespace, as RBAC names it.
struct Right {
  std::string verb;
  std::string group;     ///< "" is the core group
  std::string resource;  ///< with its subresource: `pods/log`
};
/// All that a run needs in each of its namespaces: docs/guide/kubernetes.md lists the same.
[[nodiscard]] const std::vector<Right>& rights_needed();

/// The rights of `rights_needed` that a SelfSubjectRulesReview does not show. Empty when the review is `incomplete`, as with
/// webhooks: then only trying tells.
[[nodiscard]] std::vector<Right> rights_missing(const codec::Json& review);

/// What the namespace says of itself.
struct NamespaceFacts {
  bool known = false;       ///< false without the right to read it
  bool restricted = false;  ///< it enforces the Pod Security Standard `restricted`
};

/// Error `misuse` when it does not exist or is being deleted, `denied` when the credentials do not work.
[[nodiscard]] loop::Async<Result<NamespaceFacts>> look_at_namespace(kube::Client& client, std::string ns);
/// Error `denied` that names each missing right.
[[nodiscard]] loop::Async<Result<void>> check_rights(kube::Client& client, std::string ns);

/// The nodes of the cluster; nullopt without the right to list them.
[[nodiscard]] loop::Async<Result<std::optional<std::vector<NodeFacts>>>> list_nodes(kube::Client& client);
/// Whether something adds nodes by itself, as far as it shows itself.
[[nodiscard]] loop::Async<Result<bool>> sees_autoscaler(kube::Client& client, const std::vector<NodeFacts>* nodes);

/// What to say of a step whose request no node can hold: an error or a warning, by the policy. nullopt when it fits somewhere.
[[nodiscard]] std::optional<Error> unplaceable(const PodStep& step, const Placement& placement);

/// The answer to a create that a quota has refused: whether it will be accepted when other pods have left.
struct QuotaRefusal {
  std::string words;    ///< "exceeded quota: compute, requested: requests.cpu=4, used: requests.cpu=6, limited: requests.cpu=8"
  bool can_fit = false;
};
/// nullopt when it was not a quota that refused.
[[nodiscard]] std::optional<QuotaRefusal> quota_refusal(const std::string& message);

/// A create of a step's pod that was refused: `refused` as kube::refusal gives it, told apart by what has refused. Rights stay as
/// they are; what admission refuses (quota, limit range, pod security, service account, webhooks) is `misuse`: another attempt would
/// be refused as well.
[[nodiscard]] Error pod_refusal(const std::string& step, Error refused, const std::string& message);

}  // namespace headrace::launch
