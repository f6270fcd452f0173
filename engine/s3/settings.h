#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace headrace::s3 {

/// How S3 is reached. What is not set here is found as AWS's own tools find it: credentials (environment, profile with SSO, process
/// and roles, web identity, container, instance metadata), proxies (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and the profile's region.
struct Settings {
  std::string endpoint;             ///< `http(s)://host[:port]`; empty: AWS's own of the region
  std::string region;               ///< empty: the profile's, else us-east-1
  std::optional<bool> path_style;   ///< `endpoint/bucket/key`; unset: with an endpoint of one's own
  std::string ca_file;              ///< PEM file of the only authorities trusted; empty: the system's, else those built in
  bool verify = true;               ///< false: any server certificate is taken
  std::string encryption;           ///< x-amz-server-side-encryption of what is written; empty: none asked for
  bool anonymous = false;           ///< requests are not signed; never chosen by itself
  bool checksums = true;            ///< a CRC goes with what is written, and is checked in what is read

  std::uint64_t memory_max = 0;     ///< bytes of what is ahead of readers; 0: 128 MiB, or an eighth of the cgroup's limit if less
  double gbps_max = 0;              ///< how fast bytes may move, of all transfers together; 0: no limit
  int connections_max = 0;          ///< to one endpoint; 0: 64
  Duration patience = 15min;        ///< how long one call repeats lost connections, 429 and 5xx before it fails
  Duration stall_max = 30s;         ///< a connection without progress for this long is given up, and the request repeated

  /// Called, at most every half minute and from any thread, with a line that says what is waited for and why; may be empty.
  std::function<void(const std::string&)> notice;

  /// From AWS_*, METAFLOW_S3_* and HEADRACE_S3_* variables (docs/guide/s3.md). Error `misuse` names a variable that cannot be used.
  static Result<Settings> from_environment();
};

}  // namespace headrace::s3
