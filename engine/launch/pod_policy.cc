#include "launch/pod_policy.h"

#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace headrace::launch {

namespace {

using Variable = std::function<const char*(const std::string&)>;

constexpr std::int64_t kSecondsMax = 366LL * 24 * 3600;
constexpr std::int64_t kLeaseSecondsMin = 60;
constexpr std::int64_t kStartLeaseSecondsMin = 10;
constexpr std::int64_t kStartLeaseSecondsMax = 24 * 3600;

Error wrong(const std::string& name, const std::string& text, const std::string& wanted) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("{} has a value that cannot be used", name),
               .why = fmt::format("it is `{}`; wanted: {}", text, wanted),
               .next = fmt::format("set {} anew, or unset it", name)};
}

Result<std::optional<std::int64_t>> number(const Variable& variable, const std::string& name, std::int64_t min, std::int64_t max) {
  const char* given = variable(name);
  if (!given || !*given) return std::optional<std::int64_t>{};
  const std::string text = given;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max) {
    return wrong(name, text, fmt::format("a whole number from {} to {}", min, max));
  }
  return std::optional<std::int64_t>{value};
}

Result<std::string> word(const Variable& variable, const std::string& name, const std::vector<std::string>& words) {
  const char* given = variable(name);
  if (!given || !*given) return std::string{};
  for (const std::string& one : words) {
    if (one == given) return one;
  }
  return wrong(name, given, fmt::format("{}", fmt::join(words, ", ")));
}

}  // namespace

Result<PodPolicy> pod_policy_from(const Variable& variable) {
  PodPolicy policy;
  const std::string limit = HR_TRY(word(variable, "HEADRACE_KUBERNETES_MEMORY_LIMIT", {"request", "none"}));
  policy.limit_memory = limit != "none";
  if (auto lease = HR_TRY(number(variable, "HEADRACE_KUBERNETES_LEASE", kLeaseSecondsMin, kSecondsMax))) {
    policy.lease = std::chrono::seconds(*lease);
  }
  if (auto lease = HR_TRY(number(variable, "HEADRACE_KUBERNETES_START_LEASE", kStartLeaseSecondsMin, kStartLeaseSecondsMax))) {
    policy.start_lease = std::chrono::seconds(*lease);
  }
  if (auto keep = HR_TRY(number(variable, "HEADRACE_KUBERNETES_KEEP_FAILED", 0, kSecondsMax))) {
    policy.keep_failed = std::chrono::seconds(*keep);
  }
  if (auto tries = HR_TRY(number(variable, "HEADRACE_KUBERNETES_TRIES", 1, 100))) policy.tries_max = static_cast<int>(*tries);
  if (auto tries = HR_TRY(number(variable, "HEADRACE_KUBERNETES_IMAGE_TRIES", 1, 100))) {
    policy.image_tries_max = static_cast<int>(*tries);
  }
  const std::string unplaceable = HR_TRY(word(variable, "HEADRACE_KUBERNETES_UNPLACEABLE", {"auto", "error", "warning"}));
  if (unplaceable == "error") policy.unplaceable = PodPolicy::Unplaceable::error;
  if (unplaceable == "warning") policy.unplaceable = PodPolicy::Unplaceable::warning;
  if (const char* agent = variable("HEADRACE_AGENT")) policy.agent_file = agent;
  return policy;
}

}  // namespace headrace::launch
