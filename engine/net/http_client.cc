#include "net/http_client.h"

#include <array>

#include <fmt/format.h>

#include "net/http_parser.h"
#include "net/pool.h"

namespace headrace::net {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;  // One TLS record.

/// `request` as it goes over the wire. Error (misuse): a header that would break out of its line.
Result<std::string> to_wire(const HttpRequest& request, const Url& base) {
  const auto broken = [](std::string_view text) { return text.find_first_of("\r\n\0", 0, 3) != std::string_view::npos; };
  std::string text = fmt::format("{} {}{} HTTP/1.1\r\nHost: ", request.method, base.path, request.target);
  const bool usual_port = base.port == (base.scheme == "https" ? 443 : 80);
  text += usual_port && base.host.find(':') == std::string::npos ? base.host : base.authority();
  text += "\r\n";
  if (broken(request.method) || broken(request.target) || request.target.find(' ') != std::string::npos) {
    return Error{.kind = Kind::misuse, .what = "a request has a blank or line break in its method or target"};
  }
  for (const auto& [name, value] : request.headers) {
    if (broken(name) || broken(value)) {
      return Error{.kind = Kind::misuse, .what = fmt::format("the value of the header `{}` has a line break", name),
                   .next = "if it comes from a file, remove what stands after the first line"};
    }
    text += fmt::format("{}: {}\r\n", name, value);
  }
  const bool sends_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (sends_body) text += fmt::format("Content-Length: {}\r\n", request.body.size());
  text += "\r\n";
  text += request.body;
  return text;
}

/// One request and its answer on one connection.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Pool> pool, HttpRequest request)
      : pool_(std::move(pool)), request_(std::move(request)), timer_(pool_->loop(), [this] { run_out(); }) {}
  ~Exchange() { close(); }

  /// Until the head is there.
  loop::Async<Result<void>> start(bool streams) {
    const auto self = shared_from_this();
    auto wire = to_wire(request_, pool_->settings().base);
    if (!wire) co_return wire.error();
    if (request_.stop) {
      request_.stop->on_stop([weak = weak_from_this()] {
        if (const auto exchange = weak.lock()) exchange->close();
      });
    }
    auto place = co_await pool_->place(streams, request_.deadline);
    if (!place) co_return place.error();
    place_.emplace(std::move(place).value());
    if (closed_) co_return end_with(closed_error());
    for (bool fresh = false;; fresh = true) {
      const bool reused = !fresh && reuse();
      if (!reused) {
        if (auto made = co_await connect(); !made) co_return end_with(made.error());
      }
      auto asked = co_await ask(*wire);
      if (asked.ok()) co_return asked;
      const bool stale = reused && !heard_ && why_late_.empty() && !closed_ && asked.error().kind == Kind::retry;
      if (!stale) co_return end_with(asked.error());
      drop_connection();
      pool_->drop_kept();  // They are as old.
    }
  }

  /// Empty at the end.
  loop::Async<Result<std::string>> read() {
    const auto self = shared_from_this();
    for (;;) {
      std::string body = parser_->take_body();
      if (!body.empty()) co_return body;
      if (parser_->done()) {
        finish();
        co_return std::string();
      }
      if (closed_) co_return end_with(closed_error());
      if (auto more = co_await receive(); !more) co_return end_with(more.error());
    }
  }

  void close() {
    closed_ = true;
    timer_.cancel();
    drop_connection();
    place_.reset();
  }

  [[nodiscard]] const HttpHead& head() const { return *parser_->head(); }

 private:
  static Error closed_error() { return Error{.kind = Kind::missing, .what = "the answer is no longer wanted"}; }

  void run_out() {
    const bool all = request_.deadline && pool_->loop().now() >= *request_.deadline;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request_.silence_max).count();
    why_late_ = all ? std::string("the time for this request is over") : fmt::format("nothing came for {} s", seconds);
    if (closer_) closer_->close();
  }

  /// The silence begins anew.
  void wind_up() {
    std::optional<Instant> until = request_.deadline;
    if (request_.silence_max > Duration::zero()) {
      const Instant silent = pool_->loop().now() + request_.silence_max;
      if (!until || silent < *until) until = silent;
    }
    if (until) timer_.set(*until);
  }

  void use(std::shared_ptr<ByteStream> stream) {
    stream_ = std::move(stream);
    closer_->watch(stream_);
  }

  void begin_connection() {
    closer_ = std::make_shared<Closer>();
    pool_->add(closer_);
  }

  bool reuse() {
    auto kept = pool_->take_kept();
    if (!kept) return false;
    begin_connection();
    use(std::move(kept));
    return true;
  }

  loop::Async<Result<void>> connect() {
    begin_connection();
    Instant until = pool_->loop().now() + pool_->settings().connect_max;
    if (request_.deadline && *request_.deadline < until) until = *request_.deadline;
    auto made = co_await pool_->connect_new(closer_, until);
    if (closed_) co_return closed_error();
    if (!made) co_return made.error();
    use(std::move(made).value());
    co_return Result<void>();
  }

  loop::Async<Result<void>> ask(std::string_view wire) {
    parser_ = std::make_unique<HttpParser>(request_.method == "HEAD");
    heard_ = false;
    wind_up();
    const std::shared_ptr<ByteStream> stream = stream_;
    auto sent = co_await stream->write_all(wire);
    if (closed_) co_return closed_error();
    // A server may answer and close before it has read all; then its answer says why.
    while (parser_->head() == nullptr) {
      auto more = co_await receive();
      if (!more) co_return sent.ok() ? more.error() : sent.error();
    }
    co_return Result<void>();
  }

  loop::Async<Result<void>> receive() {
    wind_up();
    const std::shared_ptr<ByteStream> stream = stream_;
    buffer_.resize(kReadBytes);
    auto count = co_await stream->read_some(buffer_);
    timer_.cancel();
    if (closed_ && why_late_.empty()) co_return closed_error();
    if (!count) co_return count.error();
    if (*count > 0) heard_ = true;
    co_return parser_->feed(std::string_view(buffer_.data(), *count));
  }

  void finish() {
    timer_.cancel();
    if (stream_ && parser_->keeps_connection()) {
      closer_->watch(nullptr);
      pool_->keep(std::exchange(stream_, nullptr));
    }
    drop_connection();
    place_.reset();
  }

  void drop_connection() {
    if (closer_) {
      pool_->remove(closer_);
      closer_->close();
      closer_ = nullptr;
    }
    stream_ = nullptr;
  }

  /// Nothing more comes; says it in the terms of who asked.
  Error end_with(Error error) {
    const Url& base = pool_->settings().base;
    if (!why_late_.empty()) {
      error = Error{.kind = Kind::retry, .what = fmt::format("{} does not answer", base.authority()), .why = why_late_};
    }
    close();
    return error;
  }

  std::shared_ptr<Pool> pool_;
  HttpRequest request_;
  loop::Timer timer_;
  std::optional<Pool::Place> place_;
  std::shared_ptr<Closer> closer_;
  std::shared_ptr<ByteStream> stream_;
  std::unique_ptr<HttpParser> parser_;
  std::vector<char> buffer_;
  std::string why_late_;
  bool heard_ = false;  // Of the answer on this connection.
  bool closed_ = false;
};

class StreamOfAnswer final : public HttpStream {
 public:
  explicit StreamOfAnswer(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~StreamOfAnswer() override { exchange_->close(); }
  const HttpHead& head() const override { return exchange_->head(); }
  loop::Async<Result<std::string>> read() override { return exchange_->read(); }
  void close() override { exchange_->close(); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

class PooledClient final : public HttpClient {
 public:
  explicit PooledClient(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  ~PooledClient() override { pool_->close(); }

  loop::Async<Result<HttpAnswer>> send(HttpRequest request) override {
    const auto exchange = std::make_shared<Exchange>(pool_, std::move(request));
    if (auto started = co_await exchange->start(false); !started) co_return started.error();
    HttpAnswer answer;
    static_cast<HttpHead&>(answer) = exchange->head();
    for (;;) {
      auto piece = co_await exchange->read();
      if (!piece) co_return piece.error();
      if (piece->empty()) break;
      if (answer.body.size() + piece->size() > kBodyBytesMax) {
        exchange->close();
        co_return Error{.kind = Kind::failed, .what = fmt::format("an answer is longer than {} bytes", kBodyBytesMax)};
      }
      answer.body += *piece;
    }
    co_return answer;
  }

  loop::Async<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request) override {
    const auto exchange = std::make_shared<Exchange>(pool_, std::move(request));
    if (auto started = co_await exchange->start(true); !started) co_return started.error();
    co_return std::unique_ptr<HttpStream>(std::make_unique<StreamOfAnswer>(exchange));
  }

  void close() override { pool_->close(); }
  std::size_t connections_made() const override { return pool_->connections_made(); }
  std::size_t connections_open() const override { return pool_->connections_open(); }

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::make(loop::EventLoop& loop, HttpSettings settings) {
  Route route{.server = settings.base, .proxy = std::nullopt, .tls = nullptr, .proxy_tls = nullptr};
  if (settings.base.scheme == "https") route.tls = HR_TRY(TlsContext::make(settings.tls));
  if (!settings.proxy.empty()) {
    auto proxy = parse_url(settings.proxy);
    if (!proxy) return std::move(proxy).error().at("the proxy's address");
    route.proxy = std::move(proxy).value();
    if (route.proxy->scheme == "https") route.proxy_tls = HR_TRY(TlsContext::make({}));
  }
  return std::unique_ptr<HttpClient>(
      std::make_unique<PooledClient>(std::make_shared<Pool>(loop, std::move(settings), std::move(route))));
}

}  // namespace headrace::net
