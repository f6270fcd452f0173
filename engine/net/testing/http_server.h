#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/async.h"
#include "loop/event_loop.h"
#include "net/http_client.h"
#include "net/testing/certificates.h"

namespace headrace::net::testing {

struct ServerTls {
  Certificate certificate;
  std::string client_ca;          ///< empty: clients need no certificate
  bool client_required = false;
};

struct Seen {
  std::string method, target;
  Headers headers;
  std::string body;
  std::string client_subject;  ///< common name of the client's certificate
  std::size_t connection = 0;  ///< counts from 1

  [[nodiscard]] std::string header(std::string_view name) const;
};

/// What a handler does with one request. After it has returned, an answer that was not finished is cut off.
class Reply {
 public:
  virtual ~Reply() = default;
  /// A whole answer with Content-Length.
  virtual loop::Async<void> answer(int status, std::string body, Headers headers = {}) = 0;
  /// The head of a chunked answer; then `chunk`s (false: the client is gone) and `end`.
  virtual loop::Async<void> begin(int status, Headers headers = {}) = 0;
  virtual loop::Async<bool> chunk(std::string bytes) = 0;
  virtual loop::Async<void> end() = 0;
  /// Bytes as they are; the connection closes after the handler.
  virtual loop::Async<void> raw(std::string bytes) = 0;
  /// Resets the connection.
  virtual void cut() = 0;
  /// Returns when the client has closed, or the server stopped: for a server that answers nothing more.
  virtual loop::Async<void> client_gone() = 0;
};

/// An HTTP/1.1 server on 127.0.0.1, on the loop of the test. Stricter than real ones: a request without Host, with a
/// repeated or wrong Content-Length, with bytes after it, or a target that is not a path, is answered 400 and counted.
class HttpServer {
 public:
  using Handler = std::function<loop::Async<void>(Seen, Reply&)>;
  HttpServer(loop::EventLoop& loop, Handler handler, std::optional<ServerTls> tls = std::nullopt);
  /// As `stop`.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// `http(s)://127.0.0.1:port`.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] const std::vector<Seen>& requests() const;
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t malformed() const;
  /// Resets every connection that is open now.
  void cut_all();
  /// Closes them in order (FIN), as a server that restarts does.
  void close_all();
  /// No longer accepts; connections are reset.
  void stop();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// A proxy for CONNECT on 127.0.0.1.
class ConnectProxy {
 public:
  /// `authorization`: the value of Proxy-Authorization that it wants; empty: none.
  explicit ConnectProxy(loop::EventLoop& loop, std::string authorization = "");
  ~ConnectProxy();
  ConnectProxy(const ConnectProxy&) = delete;
  ConnectProxy& operator=(const ConnectProxy&) = delete;
  [[nodiscard]] std::uint16_t port() const;
  /// Authorities that were asked for, also those refused.
  [[nodiscard]] const std::vector<std::string>& asked() const;
  /// Sends each to this port of 127.0.0.1, whatever its name: tests have no name server.
  void send_all_to(std::uint16_t port);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace headrace::net::testing
