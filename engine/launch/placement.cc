#include "launch/placement.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "codec/json_path.h"

namespace headrace::launch {

namespace {

using codec::Json;
using codec::text_at;
using codec::value_at;

constexpr double kMega = 1e6;
constexpr const char* kArchitectureLabel = "kubernetes.io/arch";

bool tolerates(const Json& toleration, const Json& taint) {
  if (!toleration.is_object()) return false;
  const std::string effect = text_at(toleration, "effect");
  if (!effect.empty() && effect != text_at(taint, "effect")) return false;
  const std::string key = text_at(toleration, "key");
  const std::string verb = text_at(toleration, "operator");
  if (key.empty()) return verb == "Exists";
  if (key != text_at(taint, "key")) return false;
  return verb == "Exists" || text_at(toleration, "value") == text_at(taint, "value");
}

bool tolerated(const NodeFacts& node, const Json& tolerations) {
  return std::all_of(node.taints.begin(), node.taints.end(), [&](const Json& taint) {
    return std::any_of(tolerations.begin(), tolerations.end(), [&](const Json& one) { return tolerates(one, taint); });
  });
}

bool selected(const NodeFacts& node, const PodNeeds& needs) {
  auto has = [&](const std::string& name, const std::string& value) {
    auto found = node.labels.find(name);
    return found != node.labels.end() && found->second == value;
  };
  if (!needs.architecture.empty() && !has(kArchitectureLabel, needs.architecture)) return false;
  return std::all_of(needs.selector.begin(), needs.selector.end(), [&](const auto& item) { return has(item.first, item.second); });
}

double amount_of(const NodeFacts& node, const std::string& resource) {
  auto found = node.allocatable.find(resource);
  return found == node.allocatable.end() ? 0 : found->second;
}

/// Whole numbers without a fraction, others with two digits at most.
std::string plain(double value) {
  if (std::abs(value - std::round(value)) < 0.005) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  return text;
}

std::string said(const std::string& resource, double amount) {
  if (resource == "cpu") return plain(amount) + " CPU";
  // What a node has is cut, not rounded: what is written would fit.
  if (resource == "memory") return fmt::format("{:.0f} MB of memory", std::floor(amount / kMega));
  if (resource == "ephemeral-storage") return fmt::format("{:.0f} MB of disk", std::floor(amount / kMega));
  return plain(amount) + " " + resource;
}

std::string option_for(const std::string& resource) {
  if (resource == "cpu") return "cpu";
  if (resource == "memory") return "memory";
  if (resource == "ephemeral-storage") return "disk";
  return resource.ends_with("/gpu") ? "gpu" : "extended_resources";
}

/// Why none of the usable nodes is large enough: the resource that no node has enough of, else that none has all at once.
void explain_size(const PodNeeds& needs, const std::vector<const NodeFacts*>& usable, Placement& placement) {
  const std::string among = usable.size() == 1 ? "the only node" : fmt::format("the largest of {} nodes", usable.size());
  for (const auto& [resource, amount] : needs.amounts) {
    double largest = 0;
    for (const NodeFacts* node : usable) largest = std::max(largest, amount_of(*node, resource));
    if (amount <= largest) continue;
    placement.reason += placement.reason.empty() ? "" : "; ";
    placement.reason += fmt::format("it asks for {}; {} has {} allocatable", said(resource, amount), among, said(resource, largest));
    if (!placement.advice.empty()) continue;
    placement.advice = largest > 0 ? fmt::format("lower @kubernetes({}=...) to what fits, or add a larger node", option_for(resource))
                                   : fmt::format("add a node that has {}, or lower @kubernetes({}=...)", resource, option_for(resource));
  }
  if (!placement.reason.empty()) return;
  std::string all;
  for (const auto& [resource, amount] : needs.amounts) all += (all.empty() ? "" : ", ") + said(resource, amount);
  placement.reason = fmt::format("it asks for {}; each of these fits on some node, but no node of {} has all of them", all, usable.size());
  placement.advice = "lower one of them, or add a larger node";
}

}  // namespace

std::optional<double> parse_quantity(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::pair<std::string_view, double> kSuffixes[] = {
      {"", 1},       {"n", 1e-9},        {"u", 1e-6},        {"m", 1e-3},        {"k", 1e3},        {"M", 1e6},         {"G", 1e9},
      {"T", 1e12},   {"P", 1e15},        {"E", 1e18},        {"Ki", 0x1p10},     {"Mi", 0x1p20},    {"Gi", 0x1p30},     {"Ti", 0x1p40},
      {"Pi", 0x1p50}, {"Ei", 0x1p60}};
  for (const auto& [name, factor] : kSuffixes) {
    if (name == suffix) return value * factor;
  }
  return std::nullopt;
}

NodeFacts read_node(const Json& node) {
  NodeFacts facts;
  facts.name = text_at(node, {"metadata", "name"});
  for (const auto& [name, value] : value_at(node, {"metadata", "labels"}).items()) {
    if (value.is_string()) facts.labels[name] = value.get<std::string>();
  }
  const Json& spec = value_at(node, "spec");
  auto cordoned = spec.find("unschedulable");
  facts.cordoned = cordoned != spec.end() && *cordoned == true;
  for (const Json& taint : value_at(spec, "taints")) {
    if (taint.is_object() && text_at(taint, "effect") != "PreferNoSchedule") facts.taints.push_back(taint);
  }
  for (const auto& [name, value] : value_at(node, {"status", "allocatable"}).items()) {
    if (!value.is_string()) continue;
    if (auto amount = parse_quantity(value.get<std::string>())) facts.allocatable[name] = *amount;
  }
  return facts;
}

Result<PodNeeds> needs_of(const wire::PodSettings& settings, const std::string& architecture) {
  PodNeeds needs{.selector = settings.node_selector, .tolerations = settings.tolerations, .architecture = architecture};
  auto add = [&](const std::string& resource, const std::string& text, double unit) -> Result<void> {
    auto amount = parse_quantity(text);
    if (!amount) {
      return Error{.kind = Kind::misuse,
                   .what = fmt::format("@kubernetes asks for `{}` of {}, which is not an amount", text, resource),
                   .next = fmt::format("write a number for {}", option_for(resource))};
    }
    if (*amount > 0) needs.amounts[resource] = *amount * unit;
    return {};
  };
  HR_TRY(add("cpu", settings.cpu, 1));
  HR_TRY(add("memory", settings.memory_mb, kMega));
  HR_TRY(add("ephemeral-storage", settings.disk_mb, kMega));
  if (!settings.gpu.empty()) {
    HR_TRY(add((settings.gpu_vendor.empty() ? "nvidia" : settings.gpu_vendor) + ".com/gpu", settings.gpu, 1));
  }
  for (const auto& [name, amount] : settings.extended_resources.items()) {
    HR_TRY(add(name, amount.is_string() ? amount.get<std::string>() : amount.dump(), 1));
  }
  return needs;
}

Placement place(const PodNeeds& needs, const std::vector<NodeFacts>& nodes) {
  Placement placement{.nodes = nodes.size()};
  std::size_t not_selected = 0, tainted = 0, cordoned = 0;
  std::vector<const NodeFacts*> usable;
  for (const NodeFacts& node : nodes) {
    if (!selected(node, needs)) ++not_selected;
    else if (!tolerated(node, needs.tolerations)) ++tainted;
    else if (node.cordoned) ++cordoned;
    else usable.push_back(&node);
  }
  placement.usable = usable.size();
  placement.large_enough = static_cast<std::size_t>(std::count_if(usable.begin(), usable.end(), [&](const NodeFacts* node) {
    return std::all_of(needs.amounts.begin(), needs.amounts.end(),
                       [&](const auto& need) { return need.second <= amount_of(*node, need.first); });
  }));
  if (placement.large_enough > 0) {
    placement.reason = fmt::format("it fits on {} of {} nodes when others leave", placement.large_enough, nodes.size());
    return placement;
  }
  if (!usable.empty()) {
    explain_size(needs, usable, placement);
    return placement;
  }
  placement.reason = fmt::format("none of {} nodes may take it: {} do not match its node selector or architecture ({}), {} have taints that "
                                 "it does not tolerate, {} are cordoned",
                                 nodes.size(), not_selected, needs.architecture, tainted, cordoned);
  placement.advice = "change @kubernetes(node_selector=..., tolerations=...), or add a node that matches";
  return placement;
}

bool shows_autoscaler(const std::vector<NodeFacts>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [](const NodeFacts& node) {
    return std::any_of(node.labels.begin(), node.labels.end(), [](const auto& label) { return label.first.starts_with("karpenter.sh/"); });
  });
}

}  // namespace headrace::launch
