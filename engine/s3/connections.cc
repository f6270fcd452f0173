#include "s3/connections.h"

#include <chrono>
#include <cstdint>
#include <limits>

#include <aws/common/uri.h>
#include <aws/http/connection.h>
#include <aws/http/proxy.h>
#include <aws/io/socket.h>
#include <fmt/format.h>

namespace headrace::s3 {
namespace {

constexpr std::uint64_t kSlowestBytesPerS = 100;
constexpr std::uint32_t kHttpPort = 80;
constexpr std::uint32_t kHttpsPort = 443;

}  // namespace

aws_http_connection_monitoring_options monitoring_of(Duration stall) {
  aws_http_connection_monitoring_options monitoring{};
  monitoring.minimum_throughput_bytes_per_second = kSlowestBytesPerS;
  monitoring.allowable_throughput_failure_interval_seconds =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(stall).count());
  return monitoring;
}

Connections::~Connections() {
  for (auto& [endpoint, pool] : pools_) aws_http_connection_manager_release(pool->manager);
  for (auto& [endpoint, pool] : pools_) pool->ended.wait();
}

Result<aws_http_connection_manager*> Connections::to(const std::string& endpoint) {
  const std::lock_guard lock{mutex_};
  const auto found = pools_.find(endpoint);
  if (found != pools_.end()) return found->second->manager;
  auto pool = HR_TRY(make(endpoint));
  return pools_.emplace(endpoint, std::move(pool)).first->second->manager;
}

Result<std::unique_ptr<Connections::Pool>> Connections::make(const std::string& endpoint) const {
  const auto unusable = [&endpoint] {
    return Error{.kind = Kind::misuse, .what = fmt::format("there can be no connection to `{}`", endpoint),
                 .why = aws_error_str(aws_last_error()), .next = "give an endpoint like https://host:port"};
  };
  aws_uri uri{};
  const aws_byte_cursor address = cursor(endpoint);
  if (aws_uri_init_parse(&uri, aws_default_allocator(), &address) != AWS_OP_SUCCESS) return unusable();
  const std::string host{view(*aws_uri_host_name(&uri))};
  const std::uint32_t port = aws_uri_port(&uri);
  const bool secure = view(*aws_uri_scheme(&uri)) == "https";
  aws_uri_clean_up(&uri);

  aws_socket_options socket{};
  socket.type = AWS_SOCKET_STREAM;
  socket.domain = AWS_SOCKET_IPV4;
  socket.connect_timeout_ms = kConnectMs;
  socket.tcp_nodelay = AWS_SOCKET_TCP_NODELAY_ON;
  proxy_env_var_settings proxies{};
  proxies.env_var_type = AWS_HPEV_ENABLE;
  const aws_http_connection_monitoring_options monitoring = monitoring_of(limits_.stall);
  auto pool = std::make_unique<Pool>();
  const aws_byte_cursor name = cursor(host);
  aws_http_connection_manager_options options{};
  options.bootstrap = runtime_.bootstrap();
  options.initial_window_size = std::numeric_limits<std::size_t>::max();
  options.socket_options = &socket;
  options.host = name;
  options.port = port != 0 ? port : secure ? kHttpsPort : kHttpPort;
  options.max_connections = static_cast<std::size_t>(limits_.most);
  options.monitoring_options = &monitoring;
  options.proxy_ev_settings = &proxies;
  options.shutdown_complete_callback = Ending::happen;
  options.shutdown_complete_user_data = &pool->ended;
  aws_tls_connection_options tls{};
  if (secure) {
    aws_tls_ctx* context = HR_TRY(runtime_.tls());
    aws_tls_connection_options_init_from_ctx(&tls, context);
    aws_tls_connection_options_set_server_name(&tls, aws_default_allocator(), &name);
    options.tls_connection_options = &tls;
  }
  pool->manager = aws_http_connection_manager_new(aws_default_allocator(), &options);
  aws_tls_connection_options_clean_up(&tls);
  if (pool->manager == nullptr) return unusable();
  return pool;
}

}  // namespace headrace::s3
