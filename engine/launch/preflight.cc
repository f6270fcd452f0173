#include "launch/preflight.h"

#include <algorithm>

#include <fmt/format.h>

#include "codec/json_path.h"

namespace headrace::launch {

namespace {

using codec::Json;
using codec::text_at;
using codec::value_at;

/// Later calls wait for a cluster that is away for minutes; one that never answered is more likely named wrongly.
constexpr Duration kFirstAnswerMax = 30s;

bool names(const Json& list, const std::string& value) {
  if (!list.is_array()) return false;
  return std::any_of(list.begin(), list.end(), [&](const Json& one) { return one == "*" || one == value; });
}

/// `*/log` stands for that subresource of everything.
bool names_resource(const Json& list, const std::string& resource) {
  if (names(list, resource)) return true;
  const std::size_t slash = resource.find('/');
  return slash != std::string::npos && names(list, "*" + resource.substr(slash));
}

bool allows(const Json& rule, const Right& right) {
  // A rule for named objects does not allow making or listing others.
  const Json& only = value_at(rule, "resourceNames");
  if (only.is_array() && !only.empty()) return false;
  return names(value_at(rule, "verbs"), right.verb) && names(value_at(rule, "apiGroups"), right.group) &&
         names_resource(value_at(rule, "resources"), right.resource);
}

std::string described(const std::vector<Right>& rights) {
  std::string all;
  for (const Right& right : rights) {
    all += fmt::format("{}`{}` on `{}`{}", all.empty() ? "" : ", ", right.verb, right.resource,
                       right.group.empty() ? "" : fmt::format(" (API group {})", right.group));
  }
  return all;
}

/// "a=1,b=2" as names and amounts.
std::map<std::string, double> amounts(std::string_view list) {
  std::map<std::string, double> all;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals != std::string_view::npos) {
      if (auto amount = parse_quantity(item.substr(equals + 1))) all[std::string(item.substr(0, equals))] = *amount;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return all;
}

/// What stands behind `name` up to ", " or the end.
std::string_view field(std::string_view words, std::string_view name) {
  const std::size_t at = words.find(name);
  if (at == std::string_view::npos) return {};
  words.remove_prefix(at + name.size());
  return words.substr(0, std::min(words.find(", "), words.size()));
}

kube::Call get(std::string path) {
  kube::Call call;
  call.path = std::move(path);
  return call;
}

}  // namespace

const std::vector<Right>& rights_needed() {
  static const std::vector<Right> kRights = {
      {"create", "", "pods"},         {"get", "", "pods"},          {"list", "", "pods"},          {"watch", "", "pods"},
      {"delete", "", "pods"},         {"deletecollection", "", "pods"}, {"get", "", "pods/log"},    {"create", "batch", "jobs"},
      {"get", "batch", "jobs"},       {"patch", "batch", "jobs"},   {"delete", "batch", "jobs"},   {"create", "", "configmaps"},
      {"get", "", "configmaps"}};
  return kRights;
}

std::vector<Right> rights_missing(const Json& review) {
  const Json& status = value_at(review, "status");
  const Json& rules = value_at(status, "resourceRules");
  std::vector<Right> missing;
  if (!rules.is_array() || value_at(status, "incomplete") == true) return missing;
  for (const Right& right : rights_needed()) {
    if (std::none_of(rules.begin(), rules.end(), [&](const Json& rule) { return allows(rule, right); })) missing.push_back(right);
  }
  return missing;
}

loop::Async<Result<NamespaceFacts>> look_at_namespace(kube::Client& client, std::string ns) {
  kube::Call call = get("/api/v1/namespaces/" + ns);
  call.deadline = kFirstAnswerMax;
  auto answer = co_await client.call(call);
  if (!answer) co_return std::move(answer).error();
  NamespaceFacts facts;
  if (answer->status == 403) co_return facts;
  if (answer->status == 404) {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("namespace `{}` does not exist on the cluster", ns),
                    .where = client.access().described(),
                    .next = "correct @kubernetes(namespace=...) or METAFLOW_KUBERNETES_NAMESPACE, or make it: kubectl create namespace " + ns};
  }
  if (!answer->ok()) co_return kube::refusal(call, *answer, client.access());
  if (text_at(answer->body, {"status", "phase"}) == "Terminating") {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("namespace `{}` is being deleted", ns),
                    .where = client.access().described(),
                    .next = "wait until it is gone and make it again, or use another namespace"};
  }
  facts.known = true;
  facts.restricted = text_at(answer->body, {"metadata", "labels", "pod-security.kubernetes.io/enforce"}) == "restricted";
  co_return facts;
}

loop::Async<Result<void>> check_rights(kube::Client& client, std::string ns) {
  kube::Call call;
  call.method = "POST";
  call.path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
  call.body = Json{{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SelfSubjectRulesReview"}, {"spec", {{"namespace", ns}}}};
  auto answer = co_await client.call(call);
  if (!answer) co_return std::move(answer).error();
  // Who may not even ask finds out by trying.
  if (answer->status == 403 || answer->status == 404) co_return Result<void>{};
  if (!answer->ok()) co_return kube::refusal(call, *answer, client.access());
  const std::vector<Right> missing = rights_missing(answer->body);
  if (missing.empty()) co_return Result<void>{};
  co_return Error{.kind = Kind::denied,
                  .what = fmt::format("a run needs rights in namespace `{}` that these credentials do not have", ns),
                  .where = client.access().described(),
                  .why = "missing: " + described(missing),
                  .next = "ask who runs the cluster for the Role of the guide's page on Kubernetes, or use other credentials"};
}

loop::Async<Result<std::optional<std::vector<NodeFacts>>>> list_nodes(kube::Client& client) {
  using Nodes = std::optional<std::vector<NodeFacts>>;
  kube::Call call = get("/api/v1/nodes");
  call.deadline = kFirstAnswerMax;
  auto listed = co_await client.list(call);
  if (!listed && listed.error().kind == Kind::denied) co_return Nodes{};
  if (!listed) co_return std::move(listed).error();
  std::vector<NodeFacts> nodes;
  for (const Json& item : listed->items) nodes.push_back(read_node(item));
  co_return Nodes(std::move(nodes));
}

loop::Async<Result<bool>> sees_autoscaler(kube::Client& client, const std::vector<NodeFacts>* nodes) {
  if (nodes && shows_autoscaler(*nodes)) co_return true;
  for (const char* path : {"/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status", "/apis/karpenter.sh"}) {
    auto answer = co_await client.call(get(path));
    if (!answer) co_return std::move(answer).error();
    if (answer->ok()) co_return true;
  }
  co_return false;
}

std::optional<Error> unplaceable(const PodStep& step, const Placement& placement) {
  if (placement.large_enough > 0) return std::nullopt;
  return Error{.kind = Kind::misuse,
               .what = fmt::format("step `{}` cannot be placed on this cluster", step.step),
               .where = fmt::format("namespace {}", step.settings->namespace_),
               .why = placement.reason,
               .next = placement.advice};
}

std::optional<QuotaRefusal> quota_refusal(const std::string& message) {
  constexpr std::string_view kHead = "exceeded quota: ";
  const std::size_t at = message.find(kHead);
  if (at == std::string::npos) return std::nullopt;
  QuotaRefusal refusal{.words = message.substr(at), .can_fit = true};
  const auto requested = amounts(field(refusal.words, "requested: "));
  const auto limited = amounts(field(refusal.words, "limited: "));
  for (const auto& [name, amount] : requested) {
    auto limit = limited.find(name);
    if (limit != limited.end() && amount > limit->second) refusal.can_fit = false;
  }
  return refusal;
}

Error pod_refusal(const std::string& step, Error refused, const std::string& message) {
  struct Rule {
    std::string_view sign;
    const char* next;
  };
  constexpr Rule kRules[] = {
      {"exceeded quota: ", "lower what @kubernetes asks for, or ask who runs the cluster for a larger quota"},
      {"failed quota: ", "the quota wants limits for everything: @kubernetes(qos=\"guaranteed\") sets them"},
      {" usage per ", "ask for what the namespace's LimitRange allows with @kubernetes(cpu=..., memory=..., disk=...)"},
      {"violates PodSecurity", "use a namespace that allows it, or change @kubernetes(security_context=..., persistent_volume_claims=...)"},
      {"error looking up service account", "correct @kubernetes(service_account=...), or make that account in the namespace"},
      {"admission webhook", "ask who runs the cluster what this policy wants of a pod"}};
  for (const Rule& rule : kRules) {
    if (message.find(rule.sign) == std::string::npos) continue;
    refused.kind = Kind::misuse;
    refused.what = fmt::format("the cluster does not accept the pods of step `{}`", step);
    refused.why = message;
    refused.next = rule.next;
    auto quota = quota_refusal(message);
    if (quota) refused.why = quota->words + (quota->can_fit ? "" : ": it asks for more than the whole quota");
    return refused;
  }
  if (refused.kind == Kind::misuse) refused.what = fmt::format("the cluster does not accept the pods of step `{}`", step);
  return refused;
}

}  // namespace headrace::launch
