#include "net/testing/http_server.h"

#include <array>
#include <charconv>
#include <list>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace headrace::net::testing {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using TlsStream = asio::ssl::stream<tcp::socket&>;

/// One connection of a client.
struct Link {
  explicit Link(tcp::socket accepted) : socket(std::move(accepted)) {}
  tcp::socket socket;
  std::unique_ptr<TlsStream> tls;
  std::string unread;
  std::size_t number = 0;
  std::string client_subject;

  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }
  void cut() {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
  }
};

/// Appends to `unread`; false at the end.
loop::Async<bool> read_more(std::shared_ptr<Link> link) {
  std::vector<char> bytes(16 * 1024);
  boost::system::error_code code;
  std::size_t count = 0;
  const auto into = asio::buffer(bytes);
  if (link->tls) {
    count = co_await link->tls->async_read_some(into, asio::redirect_error(asio::use_awaitable, code));
  } else {
    count = co_await link->socket.async_read_some(into, asio::redirect_error(asio::use_awaitable, code));
  }
  if (code) co_return false;
  link->unread.append(bytes.data(), count);
  co_return true;
}

loop::Async<bool> write(std::shared_ptr<Link> link, std::string bytes) {
  boost::system::error_code code;
  const auto from = asio::buffer(bytes);
  if (link->tls) {
    co_await asio::async_write(*link->tls, from, asio::redirect_error(asio::use_awaitable, code));
  } else {
    co_await asio::async_write(link->socket, from, asio::redirect_error(asio::use_awaitable, code));
  }
  co_return !code;
}

std::string common_name(SSL* ssl) {
  X509* certificate = SSL_get1_peer_certificate(ssl);
  if (certificate == nullptr) return "";
  char text[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
  X509_free(certificate);
  return text;
}

enum class Parsed { whole, partial, bad };

/// Takes one request off `unread`.
Parsed parse(std::string& unread, Seen& seen) {
  if (!unread.empty() && (unread[0] < 'A' || unread[0] > 'Z')) return Parsed::bad;  // TLS, for one.
  const std::size_t end = unread.find("\r\n\r\n");
  if (end == std::string::npos) return Parsed::partial;
  std::string_view head = std::string_view(unread).substr(0, end);
  std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == last || line.substr(last + 1) != "HTTP/1.1") return Parsed::bad;
  seen.method = line.substr(0, first);
  seen.target = line.substr(first + 1, last - first - 1);
  if (seen.target.empty() || seen.target.find(' ') != std::string::npos) return Parsed::bad;
  if (seen.target[0] != '/' && seen.method != "CONNECT") return Parsed::bad;
  std::size_t length = 0;
  int lengths = 0, hosts = 0;
  std::size_t at = std::min(line.size() + 2, head.size());
  while (at < head.size()) {
    const std::string_view field = head.substr(at, head.find("\r\n", at) - at);
    at += field.size() + 2;
    const std::size_t colon = field.find(": ");
    if (colon == std::string_view::npos || field.back() == ' ') return Parsed::bad;
    const std::string name(field.substr(0, colon)), value(field.substr(colon + 2));
    seen.headers.emplace_back(name, value);
    hosts += name == "Host";
    if (name == "Content-Length") {
      ++lengths;
      if (std::from_chars(value.data(), value.data() + value.size(), length).ec != std::errc()) return Parsed::bad;
    }
  }
  if (hosts != 1 || lengths > 1) return Parsed::bad;
  if (lengths == 0 && (seen.method == "POST" || seen.method == "PUT" || seen.method == "PATCH")) return Parsed::bad;
  if (unread.size() - end - 4 < length) return Parsed::partial;
  seen.body = unread.substr(end + 4, length);
  unread.erase(0, end + 4 + length);
  return unread.empty() ? Parsed::whole : Parsed::bad;  // Bytes after the request: nobody pipelines here.
}

class ReplyOf final : public Reply {
 public:
  ReplyOf(std::shared_ptr<Link> link, bool no_body) : link_(std::move(link)), no_body_(no_body) {}

  loop::Async<void> answer(int status, std::string body, Headers headers) override {
    std::string text = head_text(status, headers);
    if (status != 204 && status != 304) text += fmt::format("Content-Length: {}\r\n", body.size());
    text += "\r\n";
    if (!no_body_ && status != 204) text += body;
    finished_ = co_await write(link_, std::move(text));
  }
  loop::Async<void> begin(int status, Headers headers) override {
    std::string text = head_text(status, headers) + "Transfer-Encoding: chunked\r\n\r\n";
    (void)co_await write(link_, std::move(text));
  }
  loop::Async<bool> chunk(std::string bytes) override {
    if (bytes.empty()) co_return true;  // An empty chunk would be the end.
    std::string text = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    co_return co_await write(link_, std::move(text));
  }
  loop::Async<void> end() override { finished_ = co_await write(link_, "0\r\n\r\n"); }
  loop::Async<void> raw(std::string bytes) override { (void)co_await write(link_, std::move(bytes)); }
  void cut() override { link_->cut(); }
  loop::Async<void> client_gone() override {
    for (bool there = true; there;) there = co_await read_more(link_);
  }
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  static std::string head_text(int status, const Headers& headers) {
    std::string text = fmt::format("HTTP/1.1 {} Status\r\n", status);
    for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
    return text;
  }
  std::shared_ptr<Link> link_;
  bool no_body_;
  bool finished_ = false;
};

std::shared_ptr<asio::ssl::context> server_context(const ServerTls& tls) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->use_certificate_chain(asio::buffer(tls.certificate.pem));
  context->use_private_key(asio::buffer(tls.certificate.key), asio::ssl::context::pem);
  if (!tls.client_ca.empty()) {
    context->add_certificate_authority(asio::buffer(tls.client_ca));
    int mode = SSL_VERIFY_PEER;
    if (tls.client_required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->native_handle(), mode, nullptr);
  }
  return context;
}

}  // namespace

std::string Seen::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

struct HttpServer::State {
  State(loop::EventLoop& l, Handler h) : loop(l), handler(std::move(h)), acceptor(l.io()) {}
  loop::EventLoop& loop;
  Handler handler;
  tcp::acceptor acceptor;
  std::shared_ptr<asio::ssl::context> tls;
  std::list<std::weak_ptr<Link>> links;
  std::vector<Seen> requests;
  std::size_t connections = 0;
  std::size_t malformed = 0;
};

namespace {

using ServerState = HttpServer::State;

loop::Async<void> serve(std::shared_ptr<ServerState> state, std::shared_ptr<Link> link) {
  if (state->tls) {
    link->tls = std::make_unique<TlsStream>(link->socket, *state->tls);
    boost::system::error_code code;
    co_await link->tls->async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, code));
    if (code) {
      link->close();
      co_return;
    }
    link->client_subject = common_name(link->tls->native_handle());
  }
  for (;;) {
    Seen seen;
    seen.connection = link->number;
    seen.client_subject = link->client_subject;
    Parsed parsed = Parsed::partial;
    while ((parsed = parse(link->unread, seen)) == Parsed::partial) {
      seen.headers.clear();
      if (!co_await read_more(link)) {
        link->close();
        co_return;
      }
    }
    if (parsed == Parsed::bad) {
      ++state->malformed;
      (void)co_await write(link, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      link->close();
      co_return;
    }
    state->requests.push_back(seen);
    ReplyOf reply(link, seen.method == "HEAD");
    const HttpServer::Handler handler = state->handler;
    co_await handler(std::move(seen), reply);
    if (!reply.finished()) {
      link->close();
      co_return;
    }
  }
}

loop::Async<void> accept_all(std::shared_ptr<ServerState> state) {
  for (;;) {
    boost::system::error_code code;
    tcp::socket socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, code));
    if (code) co_return;
    const auto link = std::make_shared<Link>(std::move(socket));
    link->socket.set_option(tcp::no_delay(true));
    link->number = ++state->connections;
    state->links.remove_if([](const std::weak_ptr<Link>& one) { return one.expired(); });
    state->links.push_back(link);
    state->loop.spawn(serve(state, link));
  }
}

void listen_on_loopback(tcp::acceptor& acceptor) {
  const tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
  acceptor.open(any.protocol());
  acceptor.bind(any);
  acceptor.listen();
}

template <class F>
void each_link(ServerState& state, F f) {
  for (const auto& weak : state.links) {
    if (const auto link = weak.lock()) f(*link);
  }
}

}  // namespace

HttpServer::HttpServer(loop::EventLoop& loop, Handler handler, std::optional<ServerTls> tls)
    : state_(std::make_shared<State>(loop, std::move(handler))) {
  if (tls) state_->tls = server_context(*tls);
  listen_on_loopback(state_->acceptor);
  loop.spawn(accept_all(state_));
}

HttpServer::~HttpServer() { stop(); }

std::uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }
std::string HttpServer::url() const { return fmt::format("{}://127.0.0.1:{}", state_->tls ? "https" : "http", port()); }
const std::vector<Seen>& HttpServer::requests() const { return state_->requests; }
std::size_t HttpServer::connections() const { return state_->connections; }
std::size_t HttpServer::malformed() const { return state_->malformed; }
void HttpServer::cut_all() {
  each_link(*state_, [](Link& link) { link.cut(); });
}
void HttpServer::close_all() {
  each_link(*state_, [](Link& link) { link.close(); });
}
void HttpServer::stop() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  cut_all();
}

struct ConnectProxy::State {
  explicit State(loop::EventLoop& loop) : acceptor(loop.io()) {}
  tcp::acceptor acceptor;
  std::vector<std::string> asked;
  std::uint16_t target = 0;
  std::list<std::weak_ptr<Link>> links;
};

namespace {

loop::Async<void> pump(std::shared_ptr<Link> from, std::shared_ptr<Link> to) {
  while (co_await read_more(from)) {
    std::string bytes = std::exchange(from->unread, "");
    if (!co_await write(to, std::move(bytes))) break;
  }
  from->close();
  to->close();
}

template <class State>
loop::Async<void> serve_proxy(loop::EventLoop& loop, std::shared_ptr<State> state, std::shared_ptr<Link> link,
                              std::string wanted) {
  Seen seen;
  Parsed parsed = Parsed::partial;
  while ((parsed = parse(link->unread, seen)) == Parsed::partial) {
    seen.headers.clear();
    if (!co_await read_more(link)) co_return link->close();
  }
  state->asked.push_back(seen.target);
  if (seen.method != "CONNECT" || parsed == Parsed::bad) {
    (void)co_await write(link, "HTTP/1.1 405 Only CONNECT\r\n\r\n");
    co_return link->close();
  }
  if (!wanted.empty() && seen.header("Proxy-Authorization") != wanted) {
    (void)co_await write(link, "HTTP/1.1 407 Who are you\r\n\r\n");
    co_return link->close();
  }
  const auto other = std::make_shared<Link>(tcp::socket(loop.io()));
  state->links.push_back(other);
  boost::system::error_code code;
  const tcp::endpoint target(asio::ip::address_v4::loopback(), state->target);
  co_await other->socket.async_connect(target, asio::redirect_error(asio::use_awaitable, code));
  if (code) {
    (void)co_await write(link, "HTTP/1.1 502 Not reached\r\n\r\n");
    co_return link->close();
  }
  (void)co_await write(link, "HTTP/1.1 200 Connected\r\n\r\n");
  loop.spawn(pump(other, link));
  co_await pump(link, other);
}

template <class State>
loop::Async<void> accept_for_proxy(loop::EventLoop& loop, std::shared_ptr<State> state, std::string wanted) {
  for (;;) {
    boost::system::error_code code;
    tcp::socket socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, code));
    if (code) co_return;
    const auto link = std::make_shared<Link>(std::move(socket));
    state->links.push_back(link);
    loop.spawn(serve_proxy(loop, state, link, wanted));
  }
}

}  // namespace

ConnectProxy::ConnectProxy(loop::EventLoop& loop, std::string authorization) : state_(std::make_shared<State>(loop)) {
  listen_on_loopback(state_->acceptor);
  loop.spawn(accept_for_proxy(loop, state_, std::move(authorization)));
}
ConnectProxy::~ConnectProxy() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  for (const auto& weak : state_->links) {
    if (const auto link = weak.lock()) link->cut();
  }
}
std::uint16_t ConnectProxy::port() const { return state_->acceptor.local_endpoint().port(); }
const std::vector<std::string>& ConnectProxy::asked() const { return state_->asked; }
void ConnectProxy::send_all_to(std::uint16_t port) { state_->target = port; }

}  // namespace headrace::net::testing
