#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/stop.h"

namespace headrace::net {

/// Longest line, and all lines together, of an answer's head.
inline constexpr std::size_t kHeadBytesMax = 64 * 1024;
/// Longest body that `HttpClient::send` keeps; longer ones are an error (`open` reads them piece by piece).
inline constexpr std::size_t kBodyBytesMax = 256 * 1024 * 1024;

/// `https://host:port/path`, taken apart. `host` is a name or an address without brackets.
struct Url {
  std::string scheme;  ///< http or https
  std::string host;
  std::uint16_t port = 0;
  std::string path;    ///< without a slash at the end; may be empty
  std::string user;    ///< `user:password` before the @, still escaped; for proxies

  /// `host:port`, an IPv6 address in brackets.
  [[nodiscard]] std::string authority() const;
};
/// Error (misuse): not such an address, or another scheme.
Result<Url> parse_url(std::string_view text);
/// Escapes what may not stand in a path segment or in a query's key or value.
[[nodiscard]] std::string escape_query(std::string_view text);

/// How the server proves itself, and we to it. TLS 1.2 or newer.
struct TlsSettings {
  std::string ca_pem;           ///< the only authorities trusted; empty: the system's (SSL_CERT_FILE, else the usual files)
  std::string certificate_pem;  ///< with `key_pem`: our certificate and its chain; empty: none
  Secret key_pem;
  std::string server_name;      ///< checked instead of the URL's host, and sent as SNI; empty: the host
  bool skip_verify = false;     ///< takes any certificate
};

struct HttpSettings {
  Url base;                          ///< where requests go; its path stands before each target
  TlsSettings tls;
  std::string proxy;                 ///< `http(s)://[user:password@]host:port`, reached by CONNECT; empty: none
  int connections_max = 32;          ///< of `send`, at once; more wait in the order of asking
  int streams_max = 600;             ///< of `open`, at once; more are an error (retry)
  Duration connect_max = 20s;        ///< name, TCP, proxy and TLS together
  Duration idle_max = 55s;           ///< a connection unused for longer is closed instead of used
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";       ///< `/path?query`, escaped
  Headers headers;                ///< Host and Content-Length are added
  std::string body;
  Duration silence_max = 60s;     ///< longest time without a byte of the answer, head or body; zero: no bound
  std::optional<Instant> deadline;  ///< of all of it, the wait for a connection too
  std::shared_ptr<loop::Stop> stop;  ///< ends it, head or body, with `missing`; may be null
};

struct HttpHead {
  int status = 0;
  Headers headers;

  /// The first header of that name (any case); empty if none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct HttpAnswer : HttpHead {
  std::string body;
};

/// An answer whose body is read piece by piece. Owns its connection; destroying it closes that.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  [[nodiscard]] virtual const HttpHead& head() const = 0;
  /// The next bytes; empty at the body's end. One coroutine reads at a time. Errors: `retry` when the connection was lost
  /// or silent for too long, `missing` after `close`.
  [[nodiscard]] virtual loop::Async<Result<std::string>> read() = 0;
  /// Ends what waits in `read`, with `missing`, and closes the connection. The stream may be destroyed right after.
  virtual void close() = 0;
};

/// HTTP/1.1 to one server over plain TCP or TLS, directly or through a proxy, with kept connections.
///
/// Errors say which address and, for TLS, what is wrong with whose certificate. Kinds: `retry` when a repeat may help
/// (not reached, connection lost, too slow), `denied` when the server refused our certificate, `misuse` when the settings
/// are wrong (certificate not trusted or expired, name does not match), `missing` after `close`. An answer of any status
/// is no error. Redirects are not followed. A request that met the end of a kept connection before the first byte of its
/// answer is sent again on a new one.
class HttpClient {
 public:
  /// Error (misuse): a certificate, key or proxy that cannot be read. `loop` must outlive the client.
  static Result<std::unique_ptr<HttpClient>> make(loop::EventLoop& loop, HttpSettings settings);
  /// As `close`.
  virtual ~HttpClient() = default;

  /// The whole answer.
  [[nodiscard]] virtual loop::Async<Result<HttpAnswer>> send(HttpRequest request) = 0;
  /// The head, and the body to be read. Streams do not wait for the connections of `send`, and the other way round.
  [[nodiscard]] virtual loop::Async<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request) = 0;
  /// Ends all that waits, with `missing`. Nothing may be asked afterwards.
  virtual void close() = 0;

  /// TCP connections made so far, and open now: what tests and measurements look at.
  [[nodiscard]] virtual std::size_t connections_made() const = 0;
  [[nodiscard]] virtual std::size_t connections_open() const = 0;
};

/// What a PEM certificate says of itself. Error (misuse): not a certificate.
struct CertificateFacts {
  std::string subject;
  WallTime not_before{}, not_after{};
};
Result<CertificateFacts> read_certificate(std::string_view pem);

/// The proxy for `url` from the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; empty if none.
/// NO_PROXY: names (and what ends in `.name`), addresses, CIDR ranges, each with an optional port; `*`. Loopback needs none.
struct ProxyVariables {
  std::string https_proxy, http_proxy, all_proxy, no_proxy;
};
[[nodiscard]] std::string proxy_for(const Url& url, const ProxyVariables& variables);

}  // namespace headrace::net
