#include "wire/pod_settings.h"

#include <utility>

#include <fmt/format.h>

namespace headrace::wire {
namespace {

using codec::find_int;
using codec::find_string;
using codec::Json;

using Texts = std::map<std::string, std::string>;

Result<void> take(const Json& json, std::string_view key, std::string& text) {
  if (auto found = HR_TRY(find_string(json, key))) text = std::move(*found);
  return {};
}

Result<void> take(const Json& json, std::string_view key, std::vector<std::string>& texts) {
  if (const auto found = json.find(key); found != json.end() && !found->is_null()) texts = HR_TRY(codec::get_strings(json, key));
  return {};
}

Result<void> take(const Json& json, std::string_view key, Texts& texts) {
  const Json* found = HR_TRY(codec::find_object(json, key));
  if (found == nullptr) return {};
  for (const auto& [name, value] : found->items()) texts[name] = HR_TRY(codec::get_string(*found, name));
  return {};
}

/// A whole number above 0.
Result<void> take(const Json& json, std::string_view key, std::optional<std::int64_t>& number) {
  number = HR_TRY(find_int(json, key));
  if (number && *number <= 0) return Error{.what = fmt::format("`{}` is {}", key, *number), .why = "it must be above 0"};
  return {};
}

Result<void> take_array(const Json& json, std::string_view key, Json& into) {
  if (const auto found = json.find(key); found != json.end() && !found->is_null()) into = *HR_TRY(codec::get_array(json, key));
  return {};
}

Result<void> take_object(const Json& json, std::string_view key, Json& into) {
  if (const Json* found = HR_TRY(codec::find_object(json, key))) into = *found;
  return {};
}

Result<PodSettings> parse(const Json& json) {
  PodSettings pod;
  pod.image = HR_TRY(codec::get_string(json, "image"));
  if (pod.image.empty()) return Error{.what = "`image` is empty"};
  const std::pair<std::string_view, std::string*> texts[] = {
      {"image_pull_policy", &pod.image_pull_policy}, {"namespace", &pod.namespace_},   {"service_account", &pod.service_account},
      {"cpu", &pod.cpu},                             {"memory_mb", &pod.memory_mb},    {"disk_mb", &pod.disk_mb},
      {"gpu", &pod.gpu},                             {"gpu_vendor", &pod.gpu_vendor},  {"qos", &pod.qos},
      {"executable", &pod.executable},               {"tmpfs_path", &pod.tmpfs_path},
  };
  for (const auto& [key, text] : texts) HR_TRY(take(json, key, *text));
  if (pod.namespace_.empty()) pod.namespace_ = "default";
  if (pod.qos != "burstable" && pod.qos != "guaranteed") return Error{.what = fmt::format("`qos` is `{}`", pod.qos)};
  HR_TRY(take(json, "image_pull_secrets", pod.image_pull_secrets));
  HR_TRY(take(json, "secrets", pod.secrets));
  const std::pair<std::string_view, Texts*> maps[] = {
      {"labels", &pod.labels},
      {"annotations", &pod.annotations},
      {"node_selector", &pod.node_selector},
      {"persistent_volume_claims", &pod.persistent_volume_claims},
  };
  for (const auto& [key, map] : maps) HR_TRY(take(json, key, *map));
  HR_TRY(take_array(json, "tolerations", pod.tolerations));
  HR_TRY(take_object(json, "extended_resources", pod.extended_resources));
  HR_TRY(take_object(json, "security_context", pod.security_context));
  HR_TRY(take(json, "tmpfs_size_mib", pod.tmpfs_size_mib));
  pod.tmpfs_tempdir = HR_TRY(codec::find_bool(json, "tmpfs_tempdir")).value_or(true);
  HR_TRY(take(json, "shared_memory_mib", pod.shared_memory_mib));
  HR_TRY(take(json, "port", pod.port));
  if (const auto limit = HR_TRY(find_int(json, "time_limit_s"))) pod.time_limit_s = *limit;
  if (pod.time_limit_s < 1) return Error{.what = fmt::format("`time_limit_s` is {}", pod.time_limit_s), .why = "it must be above 0"};
  return pod;
}

}  // namespace

Result<PodSettings> parse_pod_settings(const Json& json) {
  auto pod = parse(json);
  if (pod) return pod;
  Error error = std::move(pod).error();
  error.kind = Kind::misuse;
  return std::move(error).at("`kubernetes` of the step");
}

Json to_json(const PodSettings& pod) {
  const auto or_null = [](const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); };
  return Json{{"image", pod.image},
              {"image_pull_policy", pod.image_pull_policy},
              {"namespace", pod.namespace_},
              {"service_account", pod.service_account},
              {"cpu", pod.cpu},
              {"memory_mb", pod.memory_mb},
              {"disk_mb", pod.disk_mb},
              {"gpu", pod.gpu},
              {"gpu_vendor", pod.gpu_vendor},
              {"qos", pod.qos},
              {"executable", pod.executable},
              {"image_pull_secrets", pod.image_pull_secrets},
              {"secrets", pod.secrets},
              {"labels", pod.labels},
              {"annotations", pod.annotations},
              {"node_selector", pod.node_selector},
              {"persistent_volume_claims", pod.persistent_volume_claims},
              {"tolerations", pod.tolerations},
              {"extended_resources", pod.extended_resources},
              {"security_context", pod.security_context},
              {"tmpfs_size_mib", or_null(pod.tmpfs_size_mib)},
              {"tmpfs_path", pod.tmpfs_path},
              {"tmpfs_tempdir", pod.tmpfs_tempdir},
              {"shared_memory_mib", or_null(pod.shared_memory_mib)},
              {"port", or_null(pod.port)},
              {"time_limit_s", pod.time_limit_s}};
}

}  // namespace headrace::wire
