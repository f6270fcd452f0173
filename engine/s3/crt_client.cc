#include <sys/sysinfo.h>

#include <algorithm>
#include <random>
#include <thread>

#include <aws/http/connection.h>
#include <fmt/format.h>

#include "base/control_groups.h"
#include "s3/client_impl.h"
#include "s3/documents.h"

// How requests reach S3: the CRT's client, addresses, repeats. What they ask is in client.cc.
namespace headrace::s3 {
namespace {

constexpr std::uint64_t kPartSize = 8 << 20;
constexpr std::uint64_t kMemoryMax = 256 << 20;
/// The CRT takes no smaller limit, half of which it keeps for other things than parts.
constexpr std::uint64_t kCrtMemoryMin = 256 << 20;
constexpr int kConnectionsMax = 64;
/// So few that a service which throttles can answer, and enough that a few lost answers do not hold up all.
constexpr int kConnectionsMin = 8;
/// Repeats inside the CRT: full jitter, 50 ms on average first, 4 s from the eighth on. Ours begin when these are used up.
constexpr std::size_t kRepeatsMax = 60;
constexpr std::uint32_t kPauseMs = 100;
constexpr std::uint32_t kPauseMaxS = 8;
/// New credentials are looked for that often in one call.
constexpr int kRenewMax = 3;
constexpr Duration kTellEvery = 30s;
/// A large transfer may take longer than patience lasts: it counts from when something last went forward, for that many beginnings.
constexpr unsigned kRestartsMax = 5;
constexpr int kRangeNotSatisfiable = 416;
/// Bytes a reader may be ahead at first.
constexpr std::size_t kWindow = 3 * kPartSize;

std::uint64_t memory_of(const Settings& settings) {
  if (settings.memory_max > 0) return settings.memory_max;
  return std::min(kMemoryMax, memory_limit().value_or(8 * kMemoryMax) / 8);
}

/// As many parts at once as the memory holds; small requests do not need a part's memory, so they are not bound by it.
int connections_of(const Settings& settings) { return settings.connections_max > 0 ? settings.connections_max : kConnectionsMax; }

}  // namespace

CrtClient::CrtClient(Settings settings, std::unique_ptr<Runtime> runtime)
    : settings_(std::move(settings)),
      runtime_(std::move(runtime)),
      credentials_(*runtime_, settings_),
      connections_(*runtime_, {.most = connections_of(settings_), .stall = settings_.stall_max}),
      pace_(std::min(kConnectionsMin, connections_of(settings_)), connections_of(settings_)),
      md5_(std::thread::hardware_concurrency() / 2),
      random_((static_cast<std::uint64_t>(std::random_device{}()) << 32U) ^ std::random_device{}()) {}

Result<std::unique_ptr<CrtClient>> CrtClient::make(Settings settings) {
  if (settings.region.empty()) settings.region = region_of_profile();
  if (settings.region.empty()) settings.region = "us-east-1";
  auto runtime = HR_TRY(Runtime::make(settings));
  std::unique_ptr<CrtClient> client{new CrtClient{std::move(settings), std::move(runtime)}};
  const Settings& chosen = client->settings_;

  aws_s3_client_config config{};
  config.client_bootstrap = client->runtime_->bootstrap();
  config.region = cursor(chosen.region);
  const bool plain_http = chosen.endpoint.starts_with("http://");
  config.tls_mode = plain_http ? AWS_MR_TLS_DISABLED : AWS_MR_TLS_ENABLED;
  aws_tls_connection_options tls{};
  if (!plain_http) {
    aws_tls_ctx* context = HR_TRY(client->runtime_->tls());
    aws_tls_connection_options_init_from_ctx(&tls, context);
    config.tls_connection_options = &tls;
  }
  aws_signing_config_aws signing{};
  const Provider nobody{aws_credentials_provider_new_anonymous(aws_default_allocator(), nullptr)};
  aws_s3_init_default_signing_config(&signing, config.region, nobody.get());
  config.signing_config = &signing;  // each request brings its own
  config.part_size = kPartSize;
  config.multipart_upload_threshold = kPartSize;
  config.throughput_target_gbps = chosen.gbps_max;
  config.max_active_connections_override = static_cast<std::uint32_t>(connections_of(chosen));
  config.memory_limit_in_bytes = std::max(memory_of(chosen), kCrtMemoryMin);
  config.retry_config.max_retries = kRepeatsMax;
  config.retry_config.backoff_scale_factor_ms = kPauseMs;
  config.retry_config.max_backoff_secs = kPauseMaxS;
  config.retry_config.jitter_mode = AWS_EXPONENTIAL_BACKOFF_JITTER_FULL;
  config.retry_config.retry_mode = AWS_S3_RETRY_MODE_EXPONENTIAL_BACKOFF;
  config.connect_timeout_ms = kConnectMs;
  const aws_http_connection_monitoring_options monitoring = monitoring_of(chosen.stall_max);
  config.monitoring_options = &monitoring;
  config.enable_read_backpressure = true;
  config.initial_read_window = kWindow;
  config.shutdown_callback = Ending::happen;
  config.shutdown_callback_user_data = &client->crt_ended_;
  client->crt_ = aws_s3_client_new(aws_default_allocator(), &config);
  aws_tls_connection_options_clean_up(&tls);
  if (client->crt_ == nullptr) {
    return Error{.kind = Kind::misuse, .what = "the S3 client cannot be set up", .why = aws_error_str(aws_last_error()),
                 .next = "check the HEADRACE_S3_ variables"};
  }
  return client;
}

CrtClient::~CrtClient() {
  if (crt_ == nullptr) return;
  aws_s3_client_release(crt_);
  crt_ended_.wait();
}

bool CrtClient::in_path(const std::string& bucket) const {
  // TLS certificates of AWS hold for one label before the region only.
  if (bucket.find('.') != std::string::npos) return true;
  return settings_.path_style.value_or(!settings_.endpoint.empty());
}

std::string CrtClient::region_for(const std::string& bucket) const {
  const std::lock_guard lock{regions_mutex_};
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? settings_.region : found->second;
}

std::string CrtClient::endpoint_of(const std::string& bucket) const {
  std::string endpoint = settings_.endpoint;
  if (endpoint.empty()) {
    const std::string region = region_for(bucket);
    endpoint = fmt::format("https://s3.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
  }
  if (in_path(bucket)) return endpoint;
  const auto host = endpoint.find("://") + 3;
  return endpoint.substr(0, host) + bucket + "." + endpoint.substr(host);
}

Result<CrtClient::Way> CrtClient::way_to(const std::string& bucket) {
  Provider credentials = HR_TRY(credentials_.source());
  Way way{.credentials = std::move(credentials), .to = {}};
  const std::string endpoint = endpoint_of(bucket);
  aws_http_connection_manager* connections = HR_TRY(connections_.to(endpoint));
  way.to = Destination{.client = crt_, .connections = connections, .endpoint = endpoint, .region = region_for(bucket),
                       .credentials = way.credentials.get()};
  return way;
}

Request CrtClient::request(std::string method, const Address& address, const std::string& query) const {
  Request request;
  request.method = std::move(method);
  request.target = "/";
  if (in_path(address.bucket)) request.target += escape_path(address.bucket) + (address.key.empty() ? "" : "/");
  request.target += escape_path(address.key);
  if (!query.empty()) request.target += "?" + query;
  return request;
}

Error CrtClient::error_for(const Answer& answer, const std::string& doing, const std::string& bucket) const {
  return describe(answer, doing, credentials_.origin(), endpoint_of(bucket));
}

bool CrtClient::began(Underway& underway) {
  const std::lock_guard lock{mutex_};
  if (stopped_) return false;
  running_.insert(&underway);
  return true;
}

bool CrtClient::began(Exchange& exchange, const std::string& doing, Instant until) {
  exchange.on_trouble([this, doing, until](const Answer& so_far) { tell_of_wait(so_far, doing, until); });
  return began(exchange);
}

void CrtClient::ended(Underway& underway) {
  const std::lock_guard lock{mutex_};
  running_.erase(&underway);
}

void CrtClient::stop() {
  stopped_ = true;
  pace_.stop();
  const std::lock_guard lock{mutex_};
  stop_changed_.notify_all();
  for (Underway* underway : running_) underway->stop();
}

void CrtClient::tell_of_wait(const Answer& answer, const std::string& doing, Instant until) {
  if (!settings_.notice) return;
  {
    const std::lock_guard lock{mutex_};
    if (now() - told_ < kTellEvery) return;
    told_ = now();
  }
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(until - now()).count();
  const Error error = describe(answer, doing, "", settings_.endpoint.empty() ? "AWS" : settings_.endpoint);
  settings_.notice(fmt::format("S3 is slow to {}: {}; trying for another {} s", doing, error.why, left));
}

CrtClient::Course CrtClient::begin_course() const { return Course{.began = now(), .until = now() + settings_.patience}; }

bool CrtClient::again(Course& course, const Answer& answer, const std::string& bucket, const std::string& doing) {
  if (stopped_) return false;
  switch (judge(answer)) {
    case Verdict::damaged: return !std::exchange(course.refetched, true);
    case Verdict::other_region: {
      const std::string region = region_of(answer);
      const std::lock_guard lock{regions_mutex_};
      std::string& known = regions_[bucket];
      return std::exchange(known, region) != region;
    }
    case Verdict::expired:
      if (++course.renewed > kRenewMax || settings_.anonymous) return false;
      credentials_.forget();
      break;
    case Verdict::repeat: break;
    default: return false;
  }
  if (now() >= course.until) return false;
  if (now() - course.began >= kTroubleAfter) tell_of_wait(answer, doing, course.until);
  std::unique_lock lock{mutex_};
  const std::uint64_t most_ms = std::min<std::uint64_t>(kPauseMs << std::min(course.round++, 16U), kPauseMaxS * 1000);
  const Duration pause = std::chrono::milliseconds{random_.below(most_ms) + 1};
  stop_changed_.wait_for(lock, pause, [this] { return stopped_.load(); });
  return !stopped_;
}

Answer CrtClient::ask_once(const Request& request, const Destination& to, const std::string& doing, Instant until) {
  if (request.form == Request::Form::plain) {
    Call call{request};
    const Instant asked = now();
    if (began(call)) call.start(to);
    else call.stop();
    Answer answer = call.wait(until - asked);
    ended(call);
    if (!answer.stopped) pace_.note(is_throttled(answer.error, answer.status), asked, now());
    return answer;
  }
  Exchange exchange{request, pace_, nullptr};
  if (began(exchange, doing, until)) exchange.start(to);
  else exchange.refuse();
  Answer answer = std::move(exchange.wait(settings_.patience));
  ended(exchange);
  return answer;
}

Result<Answer> CrtClient::ask(const Request& request, const std::string& bucket, const std::string& doing) {
  Course course = begin_course();
  int tries = 0;
  int lost = 0;
  std::string trouble;  // of the try before: says more than that the last one took too long
  for (;;) {
    Answer answer;
    const Way way = HR_TRY(way_to(bucket));
    if (!pace_.enter(course.until)) {
      answer.stopped = stopped_;
      answer.stalled = !stopped_;
      answer.last_trouble = "too many requests wait for S3";
    } else {
      answer = ask_once(request, way.to, doing, course.until);
      pace_.leave();
    }
    answer.tries += tries;
    answer.lost += lost;
    if (answer.last_trouble.empty()) answer.last_trouble = trouble;
    const Verdict verdict = judge(answer);
    if (verdict == Verdict::good || verdict == Verdict::missing || verdict == Verdict::condition) return answer;
    if (verdict == Verdict::misuse && answer.status == kRangeNotSatisfiable) return answer;
    if (request.form != Request::Form::plain && course.round < kRestartsMax) {
      course.until = std::max(course.until, answer.moved + settings_.patience);
    }
    if (!again(course, answer, bucket, doing)) return error_for(answer, doing, bucket);
    tries = answer.tries;
    lost = answer.lost;
    trouble = answer.last_trouble;
  }
}

}  // namespace headrace::s3
