#include "net/byte_stream.h"

#include <cerrno>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace headrace::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

Error lost(const Url& url, std::string_view doing, boost::system::error_code code) {
  if (auto refused = alert_error(url, code)) return *refused;
  if (code == asio::error::operation_aborted || code == asio::error::bad_descriptor) {
    return Error{.kind = Kind::missing, .what = fmt::format("the connection to {} was closed here", url.authority())};
  }
  return Error{.kind = Kind::retry, .what = fmt::format("the connection to {} was lost {}", url.authority(), doing),
               .why = code.message()};
}

template <class Stream>
class StreamOf : public ByteStream {
 public:
  template <class... Made>
  explicit StreamOf(Url url, std::shared_ptr<void> below, Made&&... made)
      : url_(std::move(url)), below_(std::move(below)), stream_(std::forward<Made>(made)...) {}

  loop::Async<Result<void>> handshake() override { co_return Result<void>(); }

  loop::Async<Result<std::size_t>> read_some(std::span<char> buffer) override {
    const auto self = shared_from_this();
    boost::system::error_code code;
    const auto into = asio::buffer(buffer.data(), buffer.size());
    const std::size_t count = co_await stream_.async_read_some(into, asio::redirect_error(asio::use_awaitable, code));
    if (closed()) code = asio::error::operation_aborted;
    if (code == asio::error::eof) co_return std::size_t(0);
    if (code) co_return lost(url_, "while it was read", code);
    co_return count;
  }

  loop::Async<Result<void>> write_all(std::string_view bytes) override {
    const auto self = shared_from_this();
    boost::system::error_code code;
    const auto from = asio::buffer(bytes.data(), bytes.size());
    co_await asio::async_write(stream_, from, asio::redirect_error(asio::use_awaitable, code));
    if (closed()) code = asio::error::operation_aborted;
    if (code) co_return lost(url_, "while it was written to", code);
    co_return Result<void>();
  }

  void close() override {
    boost::system::error_code ignored;  // Whatever it says, the descriptor is gone.
    stream_.lowest_layer().close(ignored);
  }
  bool closed() const override { return !stream_.lowest_layer().is_open(); }

  bool quiet() override {
    if (closed()) return false;
    char byte = 0;
    const ssize_t count = ::recv(stream_.lowest_layer().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  [[nodiscard]] Stream& stream() { return stream_; }

 protected:
  Url url_;
  std::shared_ptr<void> below_;  // What `stream_` refers to, so destroyed after it.
  Stream stream_;
};

/// TLS over `Inner`, which stays where it is.
template <class Inner>
class TlsStreamOf final : public StreamOf<asio::ssl::stream<Inner&>> {
  using Base = StreamOf<asio::ssl::stream<Inner&>>;

 public:
  TlsStreamOf(std::shared_ptr<StreamOf<Inner>> inner, Url url, std::shared_ptr<TlsContext> context)
      : Base(std::move(url), inner, inner->stream(), context->native()), context_(std::move(context)) {}

  loop::Async<Result<void>> handshake() override {
    const auto self = this->shared_from_this();
    prepare_handshake(this->stream_.native_handle(), *context_, this->url_.host, fault_);
    boost::system::error_code code;
    co_await this->stream_.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, code));
    if (this->closed()) co_return lost(this->url_, "", asio::error::operation_aborted);
    if (code) co_return handshake_error(this->url_, *context_, fault_, code);
    co_return Result<void>();
  }

 private:
  std::shared_ptr<TlsContext> context_;
  PeerFault fault_;
};

using Plain = StreamOf<tcp::socket>;
using Tls = StreamOf<asio::ssl::stream<tcp::socket&>>;

}  // namespace

std::shared_ptr<ByteStream> tcp_stream(tcp::socket socket, Url url) {
  return std::make_shared<Plain>(std::move(url), nullptr, std::move(socket));
}

std::shared_ptr<ByteStream> tls_stream(std::shared_ptr<ByteStream> inner, Url url, std::shared_ptr<TlsContext> context) {
  if (auto plain = std::dynamic_pointer_cast<Plain>(inner)) {
    return std::make_shared<TlsStreamOf<tcp::socket>>(std::move(plain), std::move(url), std::move(context));
  }
  auto tls = std::dynamic_pointer_cast<Tls>(inner);
  HR_CHECK(tls != nullptr);
  return std::make_shared<TlsStreamOf<asio::ssl::stream<tcp::socket&>>>(std::move(tls), std::move(url), std::move(context));
}

}  // namespace headrace::net
