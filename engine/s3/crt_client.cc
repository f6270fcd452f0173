#include <sys/sysinfo.h>

#include <algorithm>
#include <random>
#include <thread>

#include <aws/http/connection.h>
#include <fmt/format.h>

#include "base/control_groups.h"
#include "s3/client_impl.h"
#include "s3/documents.h"

// How requests reach S3: addresses, limits, repeats. What they ask is in client.cc, download.cc, upload.cc and reader.cc.
namespace headrace::s3 {
namespace {

constexpr std::uint64_t kMemoryMax = 128 << 20;
constexpr int kConnectionsMax = 64;
/// So few that a service which throttles can answer, and enough that a few lost answers do not hold up all.
constexpr int kConnectionsMin = 8;
/// Between tries, full jitter: 50 ms on average first, 4 s from the eighth on.
constexpr std::uint32_t kPauseMs = 100;
constexpr std::uint32_t kPauseMaxS = 8;
/// New credentials are looked for that often in one call.
constexpr int kRenewMax = 3;
constexpr Duration kTellEvery = 30s;
/// A request that begins when an outage has outlasted the patience of another is given this part of it: 30 s as a rule.
constexpr int kPatienceAfter = 30;
/// What one connection to S3 moves, as a rule, and how fast a transfer aims to be where no limit is set.
constexpr double kConnectionGbps = 0.625;
constexpr double kAimGbps = 10;

std::uint64_t memory_of(const Settings& settings) {
  if (settings.memory_max > 0) return settings.memory_max;
  return std::min(kMemoryMax, memory_limit().value_or(8 * kMemoryMax) / 8);
}

int connections_of(const Settings& settings) { return settings.connections_max > 0 ? settings.connections_max : kConnectionsMax; }

}  // namespace

CrtClient::CrtClient(Settings settings, std::unique_ptr<Runtime> runtime)
    : settings_(std::move(settings)),
      runtime_(std::move(runtime)),
      credentials_(*runtime_, settings_),
      connections_(*runtime_, {.most = connections_of(settings_), .stall = settings_.stall_max}),
      pace_(std::min(kConnectionsMin, connections_of(settings_)), connections_of(settings_)),
      md5_(std::thread::hardware_concurrency() / 2),
      bandwidth_(settings_.gbps_max),
      buffers_(memory_of(settings_)),
      random_((static_cast<std::uint64_t>(std::random_device{}()) << 32U) ^ std::random_device{}()) {}

Result<std::unique_ptr<CrtClient>> CrtClient::make(Settings settings) {
  if (settings.region.empty()) settings.region = region_of_profile();
  if (settings.region.empty()) settings.region = "us-east-1";
  auto runtime = HR_TRY(Runtime::make(settings));
  return std::unique_ptr<CrtClient>{new CrtClient{std::move(settings), std::move(runtime)}};
}

std::uint64_t CrtClient::side_by_side(std::uint64_t pieces) const {
  // How many requests there are of all transfers together is the pace's to say.
  const double gbps = settings_.gbps_max > 0 ? settings_.gbps_max : kAimGbps;
  const auto wanted = static_cast<std::uint64_t>(std::clamp(gbps / kConnectionGbps, 1.0, static_cast<double>(connections_of(settings_))));
  return std::min(wanted, std::max<std::uint64_t>(pieces, 1));
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
  way.to = Destination{.connections = connections, .endpoint = endpoint, .region = region_for(bucket),
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

void CrtClient::stop() {
  pace_.stop();
  running_.stop();
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

bool CrtClient::again(Course& course, const Answer& answer, const std::string& bucket, const std::string& doing, StopGroup& group) {
  if (group.stopped()) return false;
  switch (judge(answer)) {
    case Verdict::damaged: return !std::exchange(course.refetched, true);
    case Verdict::other_region: {
      const std::string region = region_of(answer);
      const std::lock_guard lock{regions_mutex_};
      std::string& known = regions_[bucket];
      return std::exchange(known, region) != region;
    }
    case Verdict::expired:
      // A refusal without a reason is taken for an old token once.
      course.renewed += answer.status == 403 && answer.body.empty() ? kRenewMax : 1;
      if (course.renewed > kRenewMax || settings_.anonymous) return false;
      credentials_.forget();
      break;
    case Verdict::repeat: break;
    default: return false;
  }
  if (now() >= course.until) return false;
  if (now() - course.began >= kTroubleAfter) tell_of_wait(answer, doing, course.until);
  const std::uint64_t most_ms = std::min<std::uint64_t>(kPauseMs << std::min(course.round++, 16U), kPauseMaxS * 1000);
  return group.pause(random_pause(most_ms));
}

Duration CrtClient::patience() {
  const std::lock_guard lock{mutex_};
  if (!away_since_) return settings_.patience;
  const Duration left = *away_since_ + settings_.patience - now();
  return std::clamp(left, settings_.patience / kPatienceAfter, settings_.patience);
}

void CrtClient::note(const Answer& answer, Instant asked) {
  if (answer.stopped || answer.file_error != 0) return;
  const std::lock_guard lock{mutex_};
  if (judge(answer) != Verdict::repeat) away_since_.reset();
  else if (!away_since_) away_since_ = asked;
}

Duration CrtClient::random_pause(std::uint64_t most_ms) {
  const std::lock_guard lock{mutex_};
  return std::chrono::milliseconds{random_.below(most_ms) + 1};
}

Answer CrtClient::ask_once(const Request& request, const Destination& to, Instant until, StopGroup& group) {
  Call call{request};
  const Instant asked = now();
  const bool may_start = group.add(call);
  if (may_start) call.start(to);
  else call.stop();
  Answer answer = call.wait(until - asked);
  group.remove(call);
  if (!answer.stopped) pace_.note(is_throttled(answer.error, answer.status), asked, now());
  return answer;
}

void CrtClient::ask_at_end(const Request& request, const std::string& bucket, Duration patience) {
  StopGroup alone;
  Course course{.began = now(), .until = now() + patience};
  while (const auto way = way_to(bucket)) {
    if (!again(course, ask_once(request, way->to, course.until, alone), bucket, {}, alone)) return;
  }
}

Result<Answer> CrtClient::ask(const Request& request, const std::string& bucket, const std::string& doing) {
  StopGroup& group = request.group != nullptr ? *request.group : running_;
  Course course{.began = now(), .until = now() + patience()};
  int tries = 0;
  int lost = 0;
  std::string trouble;  // of the try before: says more than that the last one took too long
  const std::uint64_t bytes = request.body.size() + request.send.length + request.expected;
  for (;;) {
    Answer answer;
    const Way way = HR_TRY(way_to(bucket));
    const Instant asked = now();
    const Duration until_turn = bandwidth_.reserve(bytes, asked) - asked;
    course.until += until_turn;  // what waits for its turn is in no trouble
    answer.stopped = until_turn > 0s && !group.pause(until_turn);
    if (!answer.stopped && !pace_.enter(course.until)) {
      answer.stopped = group.stopped();
      answer.stalled = !answer.stopped;
      answer.last_trouble = "too many requests wait for S3";
    } else if (!answer.stopped) {
      answer = ask_once(request, way.to, course.until, group);
      pace_.leave();
      note(answer, asked);
      if (answer.came() > request.expected) (void)bandwidth_.reserve(answer.came() - request.expected, now());
    }
    answer.tries += tries;
    answer.lost += lost;
    if (answer.last_trouble.empty()) answer.last_trouble = trouble;
    const Verdict verdict = judge(answer);
    if (verdict == Verdict::good || verdict == Verdict::missing || verdict == Verdict::condition) return answer;
    if (verdict == Verdict::misuse && answer.status == kRangeNotSatisfiable) return answer;
    if (!again(course, answer, bucket, doing, group)) return error_for(answer, doing, bucket);
    tries = answer.tries;
    lost = answer.lost;
    trouble = answer.last_trouble;
  }
}

}  // namespace headrace::s3
