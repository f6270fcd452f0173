#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "kube/access.h"

namespace headrace::kube {

/// What a plugin printed. Private to this module.
struct ExecCredential {
  Secret token;
  std::string certificate_pem;
  Secret key_pem;
  std::optional<WallTime> expires;
};

/// Longest output taken, and longest time given.
inline constexpr std::size_t kPluginBytesMax = 1024 * 1024;
inline constexpr Duration kPluginTimeMax = 120s;

/// Runs the plugin of `access` and reads what it prints; blocks, so not on the loop thread. Its standard error goes to
/// ours, as it may ask the user to open a page. Errors (misuse; retry when it was too slow): not found (with the install
/// hint), its exit code and last words, or what is wrong with its output.
Result<ExecCredential> run_plugin(const Access& access, Duration time_max = kPluginTimeMax);

/// `output` of a plugin that was asked for `api_version`.
Result<ExecCredential> parse_credential(std::string_view output, const std::string& api_version);

}  // namespace headrace::kube
