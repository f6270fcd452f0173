#pragma once

#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "base/result.h"
#include "loop/async.h"
#include "net/tls.h"

namespace headrace::net {

/// A connection that gives and takes bytes: TCP, or TLS on it. Private to this module.
///
/// One coroutine uses it at a time; whoever waits must hold a shared_ptr. `close` ends what waits.
class ByteStream : public std::enable_shared_from_this<ByteStream> {
 public:
  virtual ~ByteStream() = default;
  /// Agrees on keys with the server `url.host` and checks who it is; nothing to do on plain TCP. Once, before the rest.
  [[nodiscard]] virtual loop::Async<Result<void>> handshake() = 0;
  /// At least one byte; 0 at an orderly end. Errors: `retry` (lost), `denied` (our certificate refused), `missing` (closed here).
  [[nodiscard]] virtual loop::Async<Result<std::size_t>> read_some(std::span<char> buffer) = 0;
  [[nodiscard]] virtual loop::Async<Result<void>> write_all(std::string_view bytes) = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual bool closed() const = 0;
  /// Nothing has come unasked, not even the end: the connection may be used again.
  [[nodiscard]] virtual bool quiet() = 0;
};

/// `socket` is connected. `url` is for messages.
std::shared_ptr<ByteStream> tcp_stream(boost::asio::ip::tcp::socket socket, Url url);
/// TLS over a stream that one of these two functions gave; `handshake` comes first. Closing it closes `inner`.
std::shared_ptr<ByteStream> tls_stream(std::shared_ptr<ByteStream> inner, Url url, std::shared_ptr<TlsContext> context);

}  // namespace headrace::net
