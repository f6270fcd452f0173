#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <aws/http/connection_manager.h>

#include "base/result.h"
#include "base/time.h"
#include "s3/runtime.h"

namespace headrace::s3 {

/// Connections to the endpoints of one client, kept while they are good. Proxies are those of the environment. Any thread.
class Connections {
 public:
  struct Limits {
    int most = 0;               ///< to one endpoint
    Duration stall{};           ///< an answer that trickles in slower than 100 bytes a second for that long is given up
  };
  /// `runtime` must outlive it.
  Connections(const Runtime& runtime, Limits limits) : runtime_(runtime), limits_(limits) {}
  /// Waits until all are closed. No request may be on its way.
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// Those to `http(s)://host[:port]`; they live as long as this. Error `misuse` for what is no such address, or when TLS cannot be
  /// set up.
  Result<aws_http_connection_manager*> to(const std::string& endpoint);

 private:
  struct Pool {
    Ending ended;
    aws_http_connection_manager* manager = nullptr;
  };

  Result<std::unique_ptr<Pool>> make(const std::string& endpoint) const;

  const Runtime& runtime_;
  const Limits limits_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Pool>> pools_;  ///< by endpoint
};

/// How long it may take to connect to S3.
inline constexpr std::uint32_t kConnectMs = 10'000;
/// What to do with answers that trickle in.
[[nodiscard]] aws_http_connection_monitoring_options monitoring_of(Duration stall);

}  // namespace headrace::s3
