#include "s3/exchange.h"

#include <optional>

#include <aws/common/uri.h>
#include <aws/http/request_response.h>
#include <aws/s3/s3.h>

namespace headrace::s3 {
namespace {

/// A wrong clock comes back however often it is tried; a few times all the same, since a server may be in the middle of a change.
constexpr int kSkewedMax = 3;
/// What is kept of the body of an answer that is an error.
constexpr std::size_t kErrorBodyMax = 64 << 10;

/// How often in a row this trouble shows that it will come back; 0 for trouble that passes.
int tries_until_hopeless(int error) {
  if (is_distrust(error)) return 1;
  return error == AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED ? kSkewedMax : 0;
}

aws_s3_checksum_config checksums(const Request& request) {
  aws_s3_checksum_config config{};
  if (request.form == Request::Form::get_parts) {
    config.validate_response_checksum = true;
    // A checksum of the whole would cost one more request when the object comes in parts; blobs have their own hash.
    config.response_checksum_validation_mode = AWS_SCVM_REQUEST_ONLY;
  } else {
    config.location = AWS_SCL_HEADER;
    config.checksum_algorithm = AWS_SCA_CRC32C;  // as kChecksumHeader
  }
  return config;
}

}  // namespace

Exchange::~Exchange() {
  stop();
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return running_ == nullptr || finished_; });
  if (running_ == nullptr) return;
  aws_s3_meta_request* running = std::exchange(running_, nullptr);
  lock.unlock();
  aws_s3_meta_request_release(running);
  lock.lock();
  changed_.wait(lock, [this] { return gone_; });
}

void Exchange::start(const Destination& destination) {
  const auto message = make_message(request_);
  aws_signing_config_aws signing{};
  aws_s3_init_default_signing_config(&signing, cursor(destination.region), destination.credentials);
  aws_uri endpoint{};
  const aws_byte_cursor address = cursor(destination.endpoint);
  int error = aws_uri_init_parse(&endpoint, aws_default_allocator(), &address) == AWS_OP_SUCCESS ? 0 : aws_last_error();
  aws_s3_meta_request_options options{};
  options.type = request_.form == Request::Form::get_parts ? AWS_S3_META_REQUEST_TYPE_GET_OBJECT : AWS_S3_META_REQUEST_TYPE_PUT_OBJECT;
  options.signing_config = &signing;
  options.message = message.get();
  options.endpoint = &endpoint;
  if (!request_.send_file.empty()) options.send_filepath = cursor(request_.send_file);
  if (sink_ != nullptr) options.body_callback = on_body;
  const aws_s3_checksum_config config = checksums(request_);
  if (request_.checksum) options.checksum_config = &config;
  // While the service is throttling, a large transfer holds back too.
  options.max_active_connections_override = static_cast<std::uint32_t>(pace_.limit());
  options.user_data = this;
  options.headers_callback = on_head;
  options.finish_callback = on_finish;
  options.shutdown_callback = on_gone;
  options.telemetry_callback = on_try;
  options.progress_callback = on_progress;
  const std::lock_guard lock{mutex_};
  moved_ = now();
  if (error == 0 && answer_.stopped) error = AWS_ERROR_S3_CANCELED;
  if (error == 0) {
    running_ = aws_s3_client_make_meta_request(destination.client, &options);
    if (running_ == nullptr) error = aws_last_error();
  }
  aws_uri_clean_up(&endpoint);
  if (running_ != nullptr) return;
  answer_.error = error == 0 ? AWS_ERROR_UNKNOWN : error;
  finished_ = gone_ = true;
  if (sink_ != nullptr) sink_->end();
}

void Exchange::refuse() {
  const std::lock_guard lock{mutex_};
  answer_.stopped = finished_ = gone_ = true;
  if (sink_ != nullptr) sink_->end();
}

Answer& Exchange::wait(Duration patience) {
  std::unique_lock lock{mutex_};
  for (;;) {
    const Instant until = moved_ + patience;
    if (changed_.wait_until(lock, until, [this] { return finished_; })) break;
    if (moved_ + patience > now()) continue;
    lock.unlock();
    cancel(&Answer::stalled);
    lock.lock();
    changed_.wait(lock, [this] { return finished_; });
    break;
  }
  if (running_ != nullptr) {
    aws_s3_meta_request* running = std::exchange(running_, nullptr);
    lock.unlock();
    aws_s3_meta_request_release(running);
    lock.lock();
    changed_.wait(lock, [this] { return gone_; });
  }
  answer_.moved = moved_;
  return answer_;
}

void Exchange::cancel(bool Answer::* why) {
  aws_s3_meta_request* running = nullptr;
  {
    const std::lock_guard lock{mutex_};
    if (running_ == nullptr || finished_) return;
    answer_.*why = true;
    running = aws_s3_meta_request_acquire(running_);
  }
  aws_s3_meta_request_cancel(running);
  aws_s3_meta_request_release(running);
}

void Exchange::stop() {
  {
    const std::lock_guard lock{mutex_};
    if (running_ == nullptr) answer_.stopped = true;  // it may be about to start
  }
  cancel(&Answer::stopped);
}

void Exchange::open_window(std::uint64_t bytes) {
  aws_s3_meta_request* running = nullptr;
  {
    const std::lock_guard lock{mutex_};
    if (running_ == nullptr || finished_) return;
    running = aws_s3_meta_request_acquire(running_);
  }
  aws_s3_meta_request_increment_read_window(running, bytes);
  aws_s3_meta_request_release(running);
}

void Exchange::keep_headers(const aws_http_headers* headers) {
  answer_.headers.clear();
  for (std::size_t i = 0; i < aws_http_headers_count(headers); ++i) {
    aws_http_header header{};
    if (aws_http_headers_get_index(headers, i, &header) == AWS_OP_SUCCESS) answer_.add_header(view(header.name), view(header.value));
  }
}

void Exchange::moved() {
  const std::lock_guard lock{mutex_};
  moved_ = now();
}

int Exchange::on_head(aws_s3_meta_request*, const aws_http_headers* headers, int status, void* user_data) {
  Exchange& self = *static_cast<Exchange*>(user_data);
  const std::lock_guard lock{self.mutex_};
  self.answer_.status = status;
  self.keep_headers(headers);
  self.moved_ = now();
  return AWS_OP_SUCCESS;
}

int Exchange::on_body(aws_s3_meta_request*, const aws_byte_cursor* bytes, std::uint64_t, void* user_data) {
  Exchange& self = *static_cast<Exchange*>(user_data);
  self.moved();
  return self.sink_->take(view(*bytes)) ? AWS_OP_SUCCESS : aws_raise_error(AWS_ERROR_S3_CANCELED);
}

void Exchange::on_progress(aws_s3_meta_request*, const aws_s3_meta_request_progress*, void* user_data) {
  static_cast<Exchange*>(user_data)->moved();
}

void Exchange::on_try(aws_s3_meta_request*, aws_s3_request_metrics* metrics, void* user_data) {
  Exchange& self = *static_cast<Exchange*>(user_data);
  const int error = aws_s3_request_metrics_get_error_code(metrics);
  int status = 0;
  if (aws_s3_request_metrics_get_response_status_code(metrics, &status) != AWS_OP_SUCCESS) status = 0;
  std::uint64_t took = 0;
  aws_s3_request_metrics_get_total_duration_ns(metrics, &took);
  const bool throttled = is_throttled(error, status);
  // What we cancelled ourselves says nothing about the service.
  if (error != AWS_ERROR_S3_CANCELED) self.pace_.note(throttled, now() - Duration{static_cast<std::int64_t>(took)}, now());
  bool hopeless = false;
  std::optional<Answer> so_far;
  {
    const std::lock_guard lock{self.mutex_};
    Answer& answer = self.answer_;
    ++answer.tries;
    if (error == 0) {
      self.moved_ = now();
      self.same_trouble_ = 0;
      return;
    }
    if (error == AWS_ERROR_S3_CANCELED) return;  // we ended it: what was the trouble before says more
    answer.add_failure(error, status);
    const int most = tries_until_hopeless(error);
    self.same_trouble_ = most > 0 ? self.same_trouble_ + 1 : 0;
    hopeless = most > 0 && self.same_trouble_ >= most;
    if (hopeless) answer.error = error;
    if (!hopeless && self.tell_ && now() - self.moved_ >= kTroubleAfter) {
      so_far = Answer{.tries = answer.tries, .last_trouble = answer.last_trouble};
    }
  }
  if (so_far) self.tell_(*so_far);
  if (hopeless) self.cancel(&Answer::hopeless);
}

void Exchange::on_finish(aws_s3_meta_request*, const aws_s3_meta_request_result* result, void* user_data) {
  Exchange& self = *static_cast<Exchange*>(user_data);
  std::unique_lock lock{self.mutex_};
  Answer& answer = self.answer_;
  if (!answer.hopeless) answer.error = result->error_code;
  if (result->response_status != 0) answer.status = result->response_status;
  if (result->error_response_headers != nullptr) self.keep_headers(result->error_response_headers);
  if (result->error_response_body != nullptr) {
    const auto body = aws_byte_cursor_from_buf(result->error_response_body);
    answer.body = view(body).substr(0, kErrorBodyMax);
  }
  Sink* const sink = self.sink_;
  self.finished_ = true;
  self.changed_.notify_all();
  lock.unlock();
  // Nothing of the exchange is touched from here on; a sink outlives it.
  if (sink != nullptr) sink->end();
}

void Exchange::on_gone(void* user_data) {
  Exchange& self = *static_cast<Exchange*>(user_data);
  const std::lock_guard lock{self.mutex_};
  self.gone_ = true;
  self.changed_.notify_all();
}

}  // namespace headrace::s3
