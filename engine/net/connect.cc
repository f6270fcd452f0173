#include "net/connect.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>

#include "loop/event.h"
#include "loop/timer.h"

namespace headrace::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kProxyHeadBytesMax = 16 * 1024;
// A peer that vanished without a word is noticed after about a minute, also by streams that may be silent for hours.
constexpr int kKeepAliveIdleSeconds = 25;
constexpr int kKeepAliveIntervalSeconds = 8;
constexpr int kKeepAliveProbes = 4;
constexpr int kUnacknowledgedMillisecondsMax = 60'000;

/// A lookup runs on a thread that cannot be interrupted, so what it writes to outlives who asked.
struct Lookup {
  explicit Lookup(loop::EventLoop& loop) : resolver(loop.io()), done(loop) {}
  tcp::resolver resolver;
  loop::Event done;
  bool ended = false;
  boost::system::error_code code;
  std::vector<tcp::endpoint> found;
};

loop::Async<void> look_up(std::shared_ptr<Lookup> lookup, std::string host, std::string port) {
  const auto results = co_await lookup->resolver.async_resolve(host, port, asio::ip::resolver_base::numeric_service,
                                                               asio::redirect_error(asio::use_awaitable, lookup->code));
  for (const auto& result : results) lookup->found.push_back(result.endpoint());
  lookup->ended = true;
  lookup->done.notify();
}

loop::Async<Result<std::vector<tcp::endpoint>>> addresses(loop::EventLoop& loop, Url url, std::shared_ptr<Closer> closer,
                                                          Instant deadline) {
  boost::system::error_code code;
  const asio::ip::address address = asio::ip::make_address(url.host, code);
  if (!code) {
    std::vector<tcp::endpoint> one{tcp::endpoint(address, url.port)};
    co_return one;
  }
  const auto lookup = std::make_shared<Lookup>(loop);
  loop.spawn(look_up(lookup, url.host, std::to_string(url.port)));
  closer->when_closed([lookup] { lookup->done.notify(); });
  while (!lookup->ended) {
    const bool in_time = co_await lookup->done.wait_until(deadline);
    if (closer->closed()) co_return Error{.kind = Kind::missing, .what = "the connection was closed here"};
    if (!in_time && !lookup->ended) {
      co_return Error{.kind = Kind::retry, .what = fmt::format("the address of `{}` was not found in time", url.host),
                      .why = "no name server answered", .next = "check this machine's network and name servers"};
    }
  }
  if (lookup->code || lookup->found.empty()) {
    const bool unknown = lookup->code == asio::error::host_not_found || lookup->code == asio::error::no_data;
    co_return Error{.kind = Kind::retry, .what = fmt::format("the address of `{}` was not found", url.host),
                    .why = unknown ? "no name server knows this name" : lookup->code.message(),
                    .next = "check the name, and this machine's network and name servers (is a VPN needed?)"};
  }
  co_return lookup->found;
}

Error not_reached(const Url& url, const tcp::endpoint& endpoint, boost::system::error_code code) {
  std::string why = code.message();
  const std::string address = endpoint.address().to_string();
  if (address != url.host) why += fmt::format(" ({})", address);
  return Error{.kind = Kind::retry, .what = fmt::format("{} cannot be reached", url.authority()), .why = std::move(why)};
}

Result<tcp::socket> open_socket(loop::EventLoop& loop, const tcp::endpoint& endpoint) {
  const tcp protocol = endpoint.protocol();
  const int fd = ::socket(protocol.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return system_error(errno, "no socket can be made");
  const auto set = [fd](int level, int name, int value) { (void)::setsockopt(fd, level, name, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMillisecondsMax);
  tcp::socket socket(loop.io());
  boost::system::error_code code;
  socket.assign(protocol, fd, code);
  if (code) {
    ::close(fd);
    return Error{.what = "no socket can be made", .why = code.message()};
  }
  return socket;
}

/// Closing the closer closes the socket, as long as this lives: the frame that holds both may be destroyed at any wait.
class Interruptible {
 public:
  Interruptible(std::shared_ptr<Closer> closer, tcp::socket& socket) : closer_(std::move(closer)) {
    closer_->when_closed([&socket] {
      boost::system::error_code ignored;
      socket.close(ignored);
    });
  }
  ~Interruptible() { closer_->when_closed(nullptr); }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  std::shared_ptr<Closer> closer_;
};

/// TCP to the first address that answers; each gets its share of the time.
loop::Async<Result<tcp::socket>> connect_tcp(loop::EventLoop& loop, Url url, std::shared_ptr<Closer> closer, Instant deadline) {
  auto found = co_await addresses(loop, url, closer, deadline);
  if (!found) co_return found.error();
  std::optional<Error> last;
  for (std::size_t i = 0; i < found->size(); ++i) {
    const tcp::endpoint endpoint = (*found)[i];
    auto socket = open_socket(loop, endpoint);
    if (!socket) {  // Of a family that this kernel does not have, say.
      last = socket.error();
      continue;
    }
    const Duration share = (deadline - loop.now()) / static_cast<int>(found->size() - i);
    bool late = false;
    tcp::socket& raw = *socket;
    loop::Timer timer(loop, [&raw, &late] {
      late = true;
      boost::system::error_code ignored;
      raw.close(ignored);
    });
    timer.set(loop.now() + share);
    boost::system::error_code code;
    {
      const Interruptible while_connecting(closer, raw);
      co_await raw.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, code));
    }
    timer.cancel();
    if (closer->closed()) co_return Error{.kind = Kind::missing, .what = "the connection was closed here"};
    if (late) code = asio::error::timed_out;
    if (!code) co_return std::move(socket).value();
    last = not_reached(url, endpoint, code);
  }
  co_return *last;
}

std::string basic_credentials(const std::string& escaped_user) {
  std::string user;
  for (std::size_t i = 0; i < escaped_user.size(); ++i) {
    unsigned value = 0;
    const char* at = escaped_user.data() + i;
    if (*at == '%' && i + 2 < escaped_user.size() && std::from_chars(at + 1, at + 3, value, 16).ptr == at + 3) {
      user += static_cast<char>(value);
      i += 2;
    } else {
      user += *at;
    }
  }
  std::string out((user.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(user.data()), static_cast<int>(user.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

/// The proxy's answer to CONNECT, as far as the blank line.
Result<void> read_proxy_answer(std::string_view head, const Url& proxy, const Url& server) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  int status = 0;
  if (line.starts_with("HTTP/1.") && line.size() >= 12) std::from_chars(line.data() + 9, line.data() + 12, status);
  if (status >= 200 && status < 300) return {};
  Error error{.kind = Kind::failed,
              .what = fmt::format("the proxy {} does not connect to {}", proxy.authority(), server.authority()),
              .why = status == 0 ? "its answer is not HTTP" : fmt::format("it answers `{}`", line),
              .next = "check HTTPS_PROXY, NO_PROXY and `proxy-url` of the cluster"};
  if (status == 407) {
    error.kind = Kind::denied;
    error.next = "give the proxy's user and password: http://USER:PASSWORD@HOST:PORT";
  }
  if (status == 429 || status >= 500) error.kind = Kind::retry;
  return error;
}

loop::Async<Result<void>> ask_proxy(std::shared_ptr<ByteStream> stream, Url proxy, Url server) {
  std::string ask = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", server.authority());
  if (!proxy.user.empty()) ask += fmt::format("Proxy-Authorization: Basic {}\r\n", basic_credentials(proxy.user));
  ask += "\r\n";
  if (auto sent = co_await stream->write_all(ask); !sent) co_return sent.error();
  // Byte by byte, so that nothing of what follows the head is taken.
  std::string head;
  while (!head.ends_with("\r\n\r\n") && head.size() < kProxyHeadBytesMax) {
    std::array<char, 1> byte{};
    auto count = co_await stream->read_some(byte);
    if (!count) co_return count.error();
    if (*count == 0) break;
    head += byte[0];
  }
  co_return read_proxy_answer(head, proxy, server);
}

}  // namespace

void Closer::when_closed(std::function<void()> act) {
  act_ = std::move(act);
  if (closed_ && act_) act_();
}

void Closer::watch(std::shared_ptr<ByteStream> stream) {
  if (!stream) return when_closed(nullptr);
  when_closed([stream = std::move(stream)] { stream->close(); });
}

void Closer::close() {
  closed_ = true;
  if (const auto act = std::exchange(act_, nullptr)) act();
}

loop::Async<Result<std::shared_ptr<ByteStream>>> connect(loop::EventLoop& loop, Route route, std::shared_ptr<Closer> closer,
                                                         Instant deadline) {
  const Url first = route.proxy ? *route.proxy : route.server;
  auto socket = co_await connect_tcp(loop, first, closer, deadline);
  if (!socket) {
    if (route.proxy) co_return std::move(socket).error().at(fmt::format("proxy for {}", route.server.authority()));
    co_return std::move(socket).error();
  }
  std::shared_ptr<ByteStream> stream = tcp_stream(std::move(socket).value(), first);
  closer->watch(stream);
  bool late = false;
  loop::Timer timer(loop, [&late, closer] {
    late = true;
    closer->close();
  });
  timer.set(deadline);
  Result<void> step;
  if (route.proxy) {
    if (route.proxy_tls) {
      stream = tls_stream(stream, first, route.proxy_tls);
      closer->watch(stream);
      step = co_await stream->handshake();
    }
    if (step.ok()) step = co_await ask_proxy(stream, first, route.server);
  }
  if (step.ok() && route.tls) {
    stream = tls_stream(stream, route.server, route.tls);
    closer->watch(stream);
    step = co_await stream->handshake();
  }
  timer.cancel();
  if (late) {
    co_return Error{.kind = Kind::retry, .what = fmt::format("{} cannot be reached", route.server.authority()),
                    .why = route.proxy ? "the proxy and the server took too long to agree on a connection"
                                       : "the server took too long to agree on a connection"};
  }
  if (!step) co_return step.error();
  co_return stream;
}

}  // namespace headrace::net
