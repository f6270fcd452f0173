#include "kube/connection.h"

#include <algorithm>

#include <fmt/format.h>

#include "kube/request.h"

namespace headrace::kube {

namespace {

constexpr std::size_t kRefusalBytesMax = 256 * 1024;

Error closed_here() { return Error{.kind = Kind::missing, .what = "the connection to the cluster was closed"}; }

/// The body of a short answer on a stream.
loop::Async<std::string> read_refusal(net::HttpStream& stream) {
  std::string body;
  while (body.size() < kRefusalBytesMax) {
    auto piece = co_await stream.read();
    if (!piece || piece->empty()) break;  // What came so far says enough.
    body += *piece;
  }
  co_return body;
}

}  // namespace

Connection::Connection(loop::EventLoop& loop, Access access, ClientSettings settings, net::HttpSettings http)
    : loop_(loop), access_(std::move(access)), settings_(std::move(settings)), http_settings_(std::move(http)),
      credentials_(loop, access_), closing_(loop) {}

Error Connection::located(Error error, const Call& call) const {
  if (error.kind == Kind::missing && closed_) return error;
  error = std::move(error).at(access_.described());
  if (error.next.empty()) {
    error.next = error.kind == Kind::retry
                     ? "check that the cluster runs and that this machine reaches it (is a VPN needed?), or choose another context"
                     : "check the cluster's address in the kubeconfig";
  }
  if (error.why.empty()) error.why = fmt::format("it was asked to {}", target_of(call).described());
  return error;
}

Result<std::shared_ptr<net::HttpClient>> Connection::http_for(const Identity& identity) {
  const net::TlsSettings& held = http_settings_.tls;
  if (http_ && held.certificate_pem == identity.certificate_pem && held.key_pem == identity.key_pem) return http_;
  if (http_) former_.push_back(std::move(http_));
  std::erase_if(former_, [](const auto& http) { return http->connections_open() == 0; });
  http_settings_.tls.certificate_pem = identity.certificate_pem;
  http_settings_.tls.key_pem = identity.key_pem;
  http_ = HR_TRY(net::HttpClient::make(loop_, http_settings_));
  return http_;
}

loop::Async<Result<Connection::Ready>> Connection::prepare(Call call) {
  auto identity = co_await credentials_.current();
  if (closed_) co_return closed_here();
  if (!identity) co_return located(identity.error(), call);
  auto http = http_for(**identity);
  if (!http) co_return located(http.error(), call);
  Ready ready;
  ready.http = std::move(http).value();
  ready.identity = (*identity)->number;
  ready.request.method = call.method;
  ready.request.target = target_text(call);
  ready.request.silence_max = settings_.silence_max;
  net::Headers& headers = ready.request.headers;
  headers.emplace_back("Accept", "application/json");
  headers.emplace_back("User-Agent", settings_.user_agent);
  if (!(*identity)->authorization.empty()) headers.emplace_back("Authorization", (*identity)->authorization.reveal());
  if (!access_.impersonate.empty()) headers.emplace_back("Impersonate-User", access_.impersonate);
  if (!access_.impersonate_uid.empty()) headers.emplace_back("Impersonate-Uid", access_.impersonate_uid);
  for (const std::string& group : access_.impersonate_groups) headers.emplace_back("Impersonate-Group", group);
  for (const auto& [key, values] : access_.impersonate_extra) {
    for (const std::string& value : values) headers.emplace_back("Impersonate-Extra-" + net::escape_query(key), value);
  }
  if (!call.body.is_null()) {
    headers.emplace_back("Content-Type", call.content_type);
    ready.request.body = codec::dump_json(call.body);
  }
  co_return ready;
}

loop::Async<Result<net::HttpAnswer>> Connection::send(Call call, std::optional<Instant> deadline) {
  for (bool again = false;; again = true) {
    auto ready = co_await prepare(call);
    if (!ready) co_return ready.error();
    ready->request.deadline = deadline;
    ++sent_;
    const std::shared_ptr<net::HttpClient> http = ready->http;
    auto answer = co_await http->send(std::move(ready->request));
    if (!answer) co_return located(answer.error(), call);
    if (answer->status != 401 || again || !credentials_.reject(ready->identity)) co_return answer;
  }
}

loop::Async<Result<std::unique_ptr<net::HttpStream>>> Connection::open(Call call, Duration silence_max,
                                                                            std::shared_ptr<loop::Stop> stop) {
  for (bool again = false;; again = true) {
    auto ready = co_await prepare(call);
    if (!ready) co_return ready.error();
    ready->request.silence_max = silence_max;
    ready->request.stop = stop;
    ++sent_;
    const std::shared_ptr<net::HttpClient> http = ready->http;
    auto stream = co_await http->open(std::move(ready->request));
    if (!stream) co_return located(stream.error(), call);
    const int status = (*stream)->head().status;
    if (status >= 200 && status < 300) co_return stream;
    const std::string body = co_await read_refusal(**stream);
    if (status == 401 && !again && credentials_.reject(ready->identity)) continue;
    co_return refusal(call, to_answer(status, body), access_);
  }
}

loop::Async<bool> Connection::wait_until(Instant instant) {
  while (!closed_ && loop_.now() < instant) (void)co_await closing_.wait_until(instant);
  co_return !closed_;
}

void Connection::close() {
  closed_ = true;
  if (http_) http_->close();
  for (const auto& http : former_) http->close();
  closing_.notify();
}

}  // namespace headrace::kube
