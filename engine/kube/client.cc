#include "kube/client.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/random.h"
#include "codec/timestamp.h"
#include "kube/connection.h"
#include "kube/request.h"

namespace headrace::kube {

namespace {

// An internal error may be one for good (a webhook that fails, a bug): repeating it for long helps nobody.
constexpr Duration kInternalErrorBudget = 60s;
constexpr Duration kRetryAfterMax = 60s;
constexpr Duration kNoticeAfter = 3s;
constexpr Duration kNoticeEach = 15s;
constexpr std::size_t kEventBytesMax = 32 * 1024 * 1024;
constexpr int kListsAnewMax = 3;

/// Worth another try of the same call.
bool repeatable(const Call& call, const Answer& answer) {
  if (answer.status == 429 || answer.status >= 500) return answer.status != 501 && answer.status != 505;
  // Two pods made at once under one quota: the loser is told to try again.
  return answer.status == 409 && call.method == "POST" && answer.reason() == "Conflict" &&
         answer.message().find("resourcequotas") != std::string::npos;
}

std::optional<Duration> retry_after(const net::HttpAnswer& answer) {
  const std::string_view text = answer.header("Retry-After");
  std::uint32_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(seconds), kRetryAfterMax);
}

/// Waits that grow, each with chance in its upper half, so that many clients do not come back at once.
class Backoff {
 public:
  Backoff(const ClientSettings& settings, Random& random) : settings_(settings), random_(random), next_(settings.backoff_min) {}

  Duration take() {
    const Duration base = next_;
    next_ = std::min(next_ * 2, settings_.backoff_max);
    return base / 2 + Duration(static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(base.count() / 2 + 1))));
  }

 private:
  const ClientSettings& settings_;
  Random& random_;
  Duration next_;
};

class LogOf final : public LogStream {
 public:
  explicit LogOf(std::unique_ptr<net::HttpStream> stream) : stream_(std::move(stream)) {}
  loop::Async<Result<std::string>> read() override { return stream_->read(); }

 private:
  std::unique_ptr<net::HttpStream> stream_;
};

/// Events stand on lines of their own.
class WatchOf final : public WatchStream {
 public:
  explicit WatchOf(std::unique_ptr<net::HttpStream> stream) : stream_(std::move(stream)) {}

  loop::Async<Result<std::optional<codec::Json>>> next() override {
    for (;;) {
      const std::size_t end = unread_.find('\n', searched_);
      if (end != std::string::npos) {
        const std::string_view line = std::string_view(unread_).substr(begun_, end - begun_);
        begun_ = searched_ = end + 1;
        if (line.empty()) continue;
        auto event = codec::parse_json(line, "a watch event");
        if (!event) co_return event.error();
        co_return std::optional<codec::Json>(std::move(event).value());
      }
      // Only the beginning of one event is left; it is moved once a piece, not once an event.
      unread_.erase(0, begun_);
      begun_ = 0;
      searched_ = unread_.size();
      if (unread_.size() > kEventBytesMax) {
        co_return Error{.kind = Kind::failed, .what = fmt::format("a watch event is longer than {} bytes", kEventBytesMax)};
      }
      auto piece = co_await stream_->read();
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return std::optional<codec::Json>();
      unread_ += *piece;
    }
  }
  void close() override { stream_->close(); }

 private:
  std::unique_ptr<net::HttpStream> stream_;
  std::string unread_;
  std::size_t begun_ = 0, searched_ = 0;
};

class ClientOf final : public Client {
 public:
  ClientOf(loop::EventLoop& loop, Access access, ClientSettings settings, net::HttpSettings http)
      : random_(settings.seed), connection_(loop, std::move(access), std::move(settings), std::move(http)) {}

  loop::Async<Result<Answer>> call(Call call) override {
    loop::EventLoop& loop = connection_.loop();
    const Instant began = loop.now();
    const Instant deadline = began + (call.deadline > Duration::zero() ? call.deadline : settings().budget);
    Backoff backoff(settings(), random_);
    Instant next_notice = began + kNoticeAfter;
    for (;;) {
      auto sent = co_await connection_.send(call, deadline);
      if (!sent && (sent.error().kind != Kind::retry || connection_.closed())) co_return sent.error();
      Answer answer;
      Duration wait = backoff.take();
      if (sent) {
        answer = to_answer(sent->status, sent->body);
        if (!repeatable(call, answer)) co_return answer;
        if (answer.status == 500 && loop.now() - began > kInternalErrorBudget) co_return answer;
        wait = std::max(wait, retry_after(*sent).value_or(Duration::zero()));
      }
      if (loop.now() + wait >= deadline) {
        if (sent) co_return answer;
        co_return gave_up(sent.error(), loop.now() - began);
      }
      if (settings().on_waiting && loop.now() + wait >= next_notice) {
        next_notice = loop.now() + kNoticeEach;
        settings().on_waiting(sent ? refusal(call, answer, access()) : sent.error(), loop.now() - began);
      }
      const bool go_on = co_await connection_.wait_until(loop.now() + wait);
      if (!go_on) co_return Error{.kind = Kind::missing, .what = "the connection to the cluster was closed"};
    }
  }

  loop::Async<Result<codec::Json>> call_ok(Call call) override {
    auto answer = co_await this->call(call);
    if (!answer) co_return answer.error();
    if (!answer->ok()) co_return refusal(call, *answer, access());
    co_return std::move(answer->body);
  }

  loop::Async<Result<Listing>> list(Call call) override {
    Listing listing;
    for (int anew = 0;;) {
      if (anew <= kListsAnewMax) {
        call.query["limit"] = std::to_string(settings().page_items);
      } else {
        call.query.erase("limit");  // All at once cannot expire.
      }
      auto answer = co_await this->call(call);
      if (!answer) co_return answer.error();
      if (answer->status == 410 && call.query.contains("continue")) {
        ++anew;
        call.query.erase("continue");
        listing.items.clear();
        continue;
      }
      if (!answer->ok()) co_return refusal(call, *answer, access());
      auto next = take_page(answer->body, listing);
      if (!next) co_return std::move(next).error().at(target_of(call).described()).at(access().described());
      if (next->empty()) co_return listing;
      call.query["continue"] = *next;
    }
  }

  loop::Async<Result<std::unique_ptr<LogStream>>> follow_log(std::string ns, std::string pod, LogOptions options) override {
    Call call;
    call.path = fmt::format("/api/v1/namespaces/{}/pods/{}/log", net::escape_query(ns), net::escape_query(pod));
    if (options.follow) call.query["follow"] = "true";
    if (options.since) call.query["sinceTime"] = codec::to_iso(*options.since) + "Z";
    if (options.tail_lines) call.query["tailLines"] = std::to_string(*options.tail_lines);
    if (options.limit_bytes) call.query["limitBytes"] = std::to_string(*options.limit_bytes);
    if (options.timestamps) call.query["timestamps"] = "true";
    if (!options.container.empty()) call.query["container"] = options.container;
    auto stream = co_await connection_.open(call, options.silence_max, options.stop);
    if (stream) co_return std::unique_ptr<LogStream>(std::make_unique<LogOf>(std::move(stream).value()));
    Error error = std::move(stream).error();
    const bool starting = error.why.find("waiting to start") != std::string::npos ||
                          error.why.find("ContainerCreating") != std::string::npos ||
                          error.why.find("PodInitializing") != std::string::npos ||
                          error.why.find("does not have a host assigned") != std::string::npos;
    if (error.kind == Kind::misuse && starting) error.kind = Kind::retry;
    co_return error;
  }

  loop::Async<Result<std::unique_ptr<WatchStream>>> open_watch(Call call, Duration silence_max) override {
    call.query["watch"] = "true";
    auto stream = co_await connection_.open(std::move(call), silence_max);
    if (!stream) co_return stream.error();
    co_return std::unique_ptr<WatchStream>(std::make_unique<WatchOf>(std::move(stream).value()));
  }

  void close() override { connection_.close(); }
  const Access& access() const override { return connection_.access(); }
  const ClientSettings& settings() const override { return connection_.settings(); }
  std::size_t requests_sent() const override { return connection_.requests_sent(); }

 private:
  static Error gave_up(Error error, Duration after) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(after).count();
    if (seconds > 0) error.why += fmt::format("; it was tried for {} s", seconds);
    return error;
  }

  /// Moves the items of a page over; gives the token of the next page, empty at the end.
  static Result<std::string> take_page(codec::Json& page, Listing& listing) {
    const codec::Json* metadata = HR_TRY(codec::get_object(page, "metadata"));
    listing.resource_version = HR_TRY(codec::get_string(*metadata, "resourceVersion"));
    std::string next = HR_TRY(codec::find_string(*metadata, "continue")).value_or("");
    const auto items = page.find("items");
    if (items != page.end() && items->is_array()) {
      for (codec::Json& item : *items) listing.items.push_back(std::move(item));
    }
    return next;
  }

  Random random_;
  Connection connection_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::make(loop::EventLoop& loop, Access access, ClientSettings settings) {
  net::HttpSettings http;
  auto url = net::parse_url(access.server);
  if (!url) return std::move(url).error().at(access.described());
  http.base = std::move(url).value();
  http.tls.ca_pem = access.ca_pem;
  http.tls.server_name = access.tls_server_name;
  http.tls.skip_verify = access.skip_verify;
  http.tls.certificate_pem = access.certificate_pem;
  http.tls.key_pem = access.key_pem;
  http.proxy = access.proxy;
  http.connections_max = settings.connections_max;
  http.streams_max = settings.streams_max;
  // Made once here to find what is wrong with certificates and addresses before anything is asked.
  if (auto tried = net::HttpClient::make(loop, http); !tried) return std::move(tried).error().at(access.described());
  return std::unique_ptr<Client>(std::make_unique<ClientOf>(loop, std::move(access), std::move(settings), std::move(http)));
}

}  // namespace headrace::kube
