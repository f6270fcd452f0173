#include "s3/call.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <aws/auth/signable.h>
#include <aws/auth/signing.h>
#include <aws/auth/signing_config.h>
#include <aws/auth/signing_result.h>
#include <aws/http/connection.h>
#include <aws/io/stream.h>
#include <aws/s3/s3.h>
#include <aws/s3/s3_client.h>

#include "s3/checksum.h"
#include "s3/documents.h"
#include "s3/file_writer.h"

namespace headrace::s3 {
namespace {

constexpr std::string_view kAgent = "headrace";
/// What a header says of a body's size is believed up to here; a body may well be larger.
constexpr std::uint64_t kReserveMax = 64 << 20;

bool is_good(int status) { return status >= 200 && status < 300; }

/// What an answer that came whole means: an error of the CRT, or 0.
int error_of(const Request& request, const Answer& answer) {
  if (!is_good(answer.status)) {
    const bool skewed = answer.status == 403 && read_error(answer.body).code == "RequestTimeTooSkewed";
    return skewed ? AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED : AWS_ERROR_S3_INVALID_RESPONSE_STATUS;
  }
  // A request that takes long is answered with 200 before it is known how it ends.
  if (request.method == "POST" && !read_error(answer.body).code.empty()) return AWS_ERROR_S3_INVALID_RESPONSE_STATUS;
  const bool to_check = request.checksum && request.method == "GET" && !answer.too_large;
  return to_check && check_body(answer) == Checked::differs ? AWS_ERROR_S3_RESPONSE_CHECKSUM_MISMATCH : 0;
}

}  // namespace

/// Signing, then looking for a connection, then a stream; each step ends in a callback on some thread of the CRT.
struct Call::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<State> self;  ///< while a callback is to come
  Message message;
  Held<aws_signable, aws_signable_destroy> signable;
  Held<aws_input_stream, aws_input_stream_release> body;
  FilePartStream* sent_file = nullptr;  ///< `body`, if it is one
  Held<aws_http_connection_manager, aws_http_connection_manager_release> manager;
  aws_http_connection* connection = nullptr;
  aws_http_stream* stream = nullptr;
  Answer answer;
  Sink receive;
  std::optional<std::uint64_t> body_max;
  bool checksum = false;
  bool head_done = false;
  Instant moved{};         ///< when something last went forward
  bool given_up = false;   ///< no step is begun any more
  bool finished = false;

  static void on_signed(aws_signing_result* result, int error, void* state);
  static void on_connection(aws_http_connection* connection, int error, void* state);
  static int on_headers(aws_http_stream* stream, aws_http_header_block block, const aws_http_header* headers, std::size_t count,
                        void* state);
  static int on_head_done(aws_http_stream* stream, aws_http_header_block block, void* state);
  static int on_body(aws_http_stream* stream, const aws_byte_cursor* bytes, void* state);
  static void on_complete(aws_http_stream* stream, int error, void* state);

  void sign(const Request& request, const Destination& destination);
  /// The last that is done with it. `error` 0: an answer has come.
  void finish(int error);
};

void Call::State::sign(const Request& request, const Destination& destination) {
  message = make_message(request);
  receive = request.receive;
  body_max = request.body_max;
  checksum = request.checksum;
  add_header(message.get(), "Host", std::string_view{destination.endpoint}.substr(destination.endpoint.find("://") + 3));
  add_header(message.get(), "User-Agent", kAgent);
  if (request.checksum && request.method == "GET") add_header(message.get(), "x-amz-checksum-mode", "ENABLED");
  if (request.checksum && request.method == "PUT") {
    add_header(message.get(), header_of(kSentCrc), crc_text(crc_of(kSentCrc, request.body)));
  }
  if (request.send.length > 0) {
    sent_file = FilePartStream::make(request.send);
    body.reset(sent_file->base());
  } else if (!request.body.empty()) {
    const aws_byte_cursor bytes = cursor(request.body);
    body.reset(aws_input_stream_new_from_cursor(aws_default_allocator(), &bytes));
  }
  if (body) aws_http_message_set_body_stream(message.get(), body.get());
  signable.reset(aws_signable_new_http_request(aws_default_allocator(), message.get()));
  aws_signing_config_aws config{};
  aws_s3_init_default_signing_config(&config, cursor(destination.region), destination.credentials);
  aws_date_time_init_now(&config.date);
  const auto* base = reinterpret_cast<const aws_signing_config_base*>(&config);
  if (aws_sign_request_aws(aws_default_allocator(), signable.get(), base, on_signed, this) != AWS_OP_SUCCESS) finish(aws_last_error());
}

void Call::State::finish(int error) {
  std::shared_ptr<State> last;  // destroyed after the lock
  const std::lock_guard lock{mutex};
  last = std::move(self);
  answer.error = error;
  finished = true;
  changed.notify_all();
}

void Call::State::on_signed(aws_signing_result* result, int error, void* user_data) {
  State& state = *static_cast<State*>(user_data);
  if (error == 0 && aws_apply_signing_result_to_http_request(state.message.get(), aws_default_allocator(), result) != AWS_OP_SUCCESS) {
    error = aws_last_error();
  }
  if (error != 0) return state.finish(error);
  aws_http_connection_manager_acquire_connection(state.manager.get(), on_connection, &state);
}

void Call::State::on_connection(aws_http_connection* connection, int error, void* user_data) {
  State& state = *static_cast<State*>(user_data);
  if (connection == nullptr) return state.finish(error != 0 ? error : AWS_ERROR_UNKNOWN);
  {
    const std::lock_guard lock{state.mutex};
    if (!state.given_up) {
      aws_http_make_request_options options{};
      options.self_size = sizeof options;
      options.request = state.message.get();
      options.user_data = &state;
      options.on_response_headers = on_headers;
      options.on_response_header_block_done = on_head_done;
      options.on_response_body = on_body;
      options.on_complete = on_complete;
      state.connection = connection;
      state.moved = now();
      state.stream = aws_http_connection_make_request(connection, &options);
      if (state.stream != nullptr && aws_http_stream_activate(state.stream) == AWS_OP_SUCCESS) return;
      error = aws_last_error();
      aws_http_stream_release(std::exchange(state.stream, nullptr));
    } else {
      error = AWS_ERROR_S3_CANCELED;
    }
  }
  aws_http_connection_manager_release_connection(state.manager.get(), connection);
  state.finish(error);
}

int Call::State::on_headers(aws_http_stream*, aws_http_header_block block, const aws_http_header* headers, std::size_t count,
                            void* user_data) {
  State& state = *static_cast<State*>(user_data);
  if (block != AWS_HTTP_HEADER_BLOCK_MAIN) return AWS_OP_SUCCESS;
  const std::lock_guard lock{state.mutex};
  state.moved = now();
  if (state.head_done) return AWS_OP_SUCCESS;  // what follows a body in chunks
  for (std::size_t i = 0; i < count; ++i) state.answer.add_header(view(headers[i].name), view(headers[i].value));
  return AWS_OP_SUCCESS;
}

int Call::State::on_head_done(aws_http_stream* stream, aws_http_header_block block, void* user_data) {
  State& state = *static_cast<State*>(user_data);
  if (block != AWS_HTTP_HEADER_BLOCK_MAIN) return AWS_OP_SUCCESS;
  const std::lock_guard lock{state.mutex};
  if (std::exchange(state.head_done, true)) return AWS_OP_SUCCESS;
  Answer& answer = state.answer;
  aws_http_stream_get_incoming_response_status(stream, &answer.status);
  if (!is_good(answer.status)) return AWS_OP_SUCCESS;
  answer.too_large = state.body_max && answer.announced_size() > *state.body_max;
  if (answer.too_large) return aws_raise_error(AWS_ERROR_S3_CANCELED);  // ends the connection too
  const auto given = state.checksum ? given_crc(answer) : std::nullopt;
  if (given) state.receive.crc = given->kind;
  if (state.receive.crc) answer.received_crc.kind = *state.receive.crc;
  return AWS_OP_SUCCESS;
}

int Call::State::on_body(aws_http_stream*, const aws_byte_cursor* bytes, void* user_data) {
  State& state = *static_cast<State*>(user_data);
  const std::lock_guard lock{state.mutex};
  Answer& answer = state.answer;
  state.moved = now();
  const bool good = is_good(answer.status);
  answer.too_large = good && state.body_max && answer.came() + bytes->len > *state.body_max;
  if (answer.too_large) return aws_raise_error(AWS_ERROR_S3_CANCELED);
  if (good && state.receive.file != nullptr) {
    if (state.receive.crc) answer.received_crc.add(view(*bytes));
    answer.file_error = state.receive.file->write(view(*bytes), state.receive.at + answer.received);
    answer.received += bytes->len;
    return answer.file_error == 0 ? AWS_OP_SUCCESS : aws_raise_error(AWS_ERROR_FILE_WRITE_FAILURE);
  }
  if (answer.body.empty()) answer.body.reserve(std::min(answer.announced_size(), kReserveMax));
  answer.body += view(*bytes);
  return AWS_OP_SUCCESS;
}

void Call::State::on_complete(aws_http_stream* stream, int error, void* user_data) {
  State& state = *static_cast<State*>(user_data);
  aws_http_connection* connection = nullptr;
  {
    const std::lock_guard lock{state.mutex};
    if (state.sent_file != nullptr) state.answer.file_error = state.sent_file->error();
    if (state.answer.received > 0) state.answer.file_error = state.receive.file->flush();
    if (state.answer.too_large) error = 0;  // all that was wanted has come
    state.stream = nullptr;
    connection = std::exchange(state.connection, nullptr);
  }
  aws_http_stream_release(stream);
  aws_http_connection_manager_release_connection(state.manager.get(), connection);
  state.finish(error);
}

Call::Call(const Request& request) : request_(request), state_(std::make_shared<State>()) {}

Call::~Call() {
  stop();
  std::unique_lock lock{state_->mutex};
  state_->changed.wait(lock, [this] { return state_->finished || state_->stream == nullptr; });
}

void Call::start(const Destination& destination) {
  State& state = *state_;
  {
    const std::lock_guard lock{state.mutex};
    state.moved = now();
    if (state.given_up) return;
    aws_http_connection_manager_acquire(destination.connections);
    state.manager.reset(destination.connections);
    state.self = state_;
  }
  state.sign(request_, destination);
}

void Call::stop() {
  aws_http_stream* stream = nullptr;
  {
    const std::lock_guard lock{state_->mutex};
    state_->given_up = true;
    if (state_->stream != nullptr) stream = aws_http_stream_acquire(state_->stream);
    state_->changed.notify_all();
  }
  if (stream == nullptr) return;
  aws_http_stream_cancel_default_error(stream);
  aws_http_stream_release(stream);
}

Answer Call::wait(Duration patience) {
  State& state = *state_;
  std::unique_lock lock{state.mutex};
  const auto is_over = [&state] { return state.finished || (state.given_up && state.stream == nullptr); };
  bool stalled = false;
  while (!state.changed.wait_until(lock, state.moved + patience, is_over)) {
    if (state.moved + patience > now()) continue;
    stalled = true;
    lock.unlock();
    stop();
    lock.lock();
  }
  Answer answer = std::move(state.answer);
  answer.tries = state.manager != nullptr ? 1 : 0;
  answer.stalled = stalled;
  answer.stopped = state.given_up && !stalled;
  if (!state.finished) answer.error = AWS_ERROR_S3_CANCELED;
  lock.unlock();
  if (answer.error == 0) answer.error = error_of(request_, answer);
  if (answer.error == 0) return answer;
  if (answer.tries > 0) answer.add_failure(answer.error, answer.status);
  if (answer.stopped || answer.stalled) answer.last_trouble.clear();  // we ended it: what was the trouble before says more
  answer.hopeless = is_distrust(answer.error);
  return answer;
}

}  // namespace headrace::s3
