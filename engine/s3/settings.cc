#include "s3/settings.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

namespace headrace::s3 {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The first of them that is not empty.
std::string first_of(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = variable(name); !value.empty()) return value;
  }
  return "";
}

Error unusable(std::string_view name, std::string_view value, std::string why) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the variable {}=`{}` cannot be used", name, value),
               .why = std::move(why),
               .next = "set it otherwise, or unset it"};
}

/// Leaves `target` when the variable is not set.
template <class T>
Result<void> read_number(const char* name, T least, T& target) {
  const std::string text = variable(name);
  if (text.empty()) return {};
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value < least) {
    return unusable(name, text, fmt::format("it must be a number of at least {}", least));
  }
  target = value;
  return {};
}

Result<bool> read_flag(const char* name, bool otherwise) {
  const std::string text = variable(name);
  if (text.empty()) return otherwise;
  if (text == "1" || text == "true" || text == "True" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "False" || text == "no") return false;
  return unusable(name, text, "it must be 1 or 0");
}

/// METAFLOW_S3_VERIFY_CERTIFICATE is a flag or the path of a CA file.
void read_verification(Settings& settings) {
  settings.ca_file = first_of({"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"});
  const std::string value = variable("METAFLOW_S3_VERIFY_CERTIFICATE");
  if (value == "0" || value == "false" || value == "False") {
    settings.verify = false;
  } else if (!value.empty() && value != "1" && value != "true" && value != "True") {
    settings.ca_file = value;
  }
}

}  // namespace

Result<Settings> Settings::from_environment() {
  Settings settings;
  const char* name = "METAFLOW_S3_ENDPOINT_URL";
  for (const char* candidate : {"METAFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    name = candidate;
    settings.endpoint = variable(candidate);
    if (!settings.endpoint.empty()) break;
  }
  if (!settings.endpoint.empty() && !settings.endpoint.starts_with("http://") && !settings.endpoint.starts_with("https://")) {
    return unusable(name, settings.endpoint, "it must begin with http:// or https://");
  }
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  const auto host = settings.endpoint.find("://");
  if (host != std::string::npos && settings.endpoint.find('/', host + 3) != std::string::npos) {
    return unusable(name, settings.endpoint, "services below a path are not supported: it must end with the host or its port");
  }
  settings.region = first_of({"AWS_REGION", "AWS_DEFAULT_REGION"});
  read_verification(settings);
  settings.encryption = variable("METAFLOW_S3_SERVER_SIDE_ENCRYPTION");
  if (!variable("HEADRACE_S3_PATH_STYLE").empty()) settings.path_style = HR_TRY(read_flag("HEADRACE_S3_PATH_STYLE", true));
  settings.anonymous = HR_TRY(read_flag("HEADRACE_S3_ANONYMOUS", false));
  settings.checksums = variable("AWS_REQUEST_CHECKSUM_CALCULATION") != "when_required";
  std::uint64_t memory_mb = 0;
  HR_TRY(read_number<std::uint64_t>("HEADRACE_S3_MEMORY_MB", 64, memory_mb));
  settings.memory_max = memory_mb << 20;
  HR_TRY(read_number<double>("HEADRACE_S3_MAX_GBPS", 0.01, settings.gbps_max));
  HR_TRY(read_number<int>("HEADRACE_S3_MAX_CONNECTIONS", 1, settings.connections_max));
  std::int64_t patience_s = std::chrono::duration_cast<std::chrono::seconds>(settings.patience).count();
  HR_TRY(read_number<std::int64_t>("HEADRACE_S3_PATIENCE_S", 1, patience_s));
  settings.patience = std::chrono::seconds{patience_s};
  std::int64_t stall_s = std::chrono::duration_cast<std::chrono::seconds>(settings.stall_max).count();
  HR_TRY(read_number<std::int64_t>("HEADRACE_S3_STALL_S", 1, stall_s));
  settings.stall_max = std::chrono::seconds{stall_s};
  return settings;
}

}  // namespace headrace::s3
