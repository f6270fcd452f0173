#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "net/byte_stream.h"

namespace headrace::net {

/// How a connection to a server is made. Private to this module.
struct Route {
  Url server;
  std::optional<Url> proxy;
  std::shared_ptr<TlsContext> tls;        ///< nullptr: plain
  std::shared_ptr<TlsContext> proxy_tls;  ///< for an https proxy
};

/// Lets its owner end an attempt to connect, or a connection, at any time.
class Closer {
 public:
  /// What `close` shall do from now on; done at once if `close` was called before.
  void when_closed(std::function<void()> act);
  void watch(std::shared_ptr<ByteStream> stream);
  void close();
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  std::function<void()> act_;
  bool closed_ = false;
};

/// Name, TCP, proxy, TLS. `closer` ends it with `missing`; after `deadline` it ends with `retry`.
loop::Async<Result<std::shared_ptr<ByteStream>>> connect(loop::EventLoop& loop, Route route, std::shared_ptr<Closer> closer,
                                                         Instant deadline);

}  // namespace headrace::net
