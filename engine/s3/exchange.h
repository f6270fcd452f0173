#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <aws/s3/s3_client.h>

#include "base/time.h"
#include "s3/crt.h"
#include "s3/pace.h"

namespace headrace::s3 {

/// What to ask of S3: one request, or with `get_parts`/`put_parts` as many as the CRT makes of a large transfer.
struct Request {
  enum class Form { plain, get_parts, put_parts };
  Form form = Form::plain;
  std::string operation;  ///< S3's name of it, e.g. GetObject
  std::string method;
  std::string target;     ///< path and query, escaped
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;  ///< plain only; must live until the exchange has ended
  std::string send_file;  ///< put_parts: its whole content
  std::uint64_t send_size = 0;
  std::string receive_file;  ///< get_parts: an existing file into which the content goes
  std::uint64_t receive_at = 0;  ///< where in it
  std::uint64_t receive_ahead = 0;  ///< bytes more than the client's window that may be under way
  bool checksum = false;     ///< a CRC goes with what is sent, or is checked in what is received
};

/// What came back. Header names are in small letters.
struct Answer {
  int error = 0;   ///< of the CRT; 0 when S3 answered with success
  int status = 0;  ///< of HTTP; 0 when there was no answer
  std::map<std::string, std::string> headers;
  std::string body;
  int tries = 0;           ///< requests sent, repeats included
  int lost = 0;            ///< of them without an answer, or with 5xx: S3 may have carried them out
  std::string last_trouble;  ///< of the newest try that failed; may be empty
  bool stalled = false;    ///< given up because nothing happened for too long
  bool hopeless = false;   ///< given up because the same trouble would come back, e.g. a certificate that is not trusted
  bool stopped = false;    ///< given up because of `Exchange::stop`

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// Where the body of an answer goes as it comes, in order, from a thread of the CRT. False ends the exchange.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool take(std::string_view bytes) = 0;
  /// Nothing more comes.
  virtual void end() = 0;
};

/// Where the requests of a client go.
struct Destination {
  aws_s3_client* client = nullptr;
  std::string endpoint;  ///< `http(s)://host[:port]`, the bucket in it unless it is in the path
  std::string region;
  aws_credentials_provider* credentials = nullptr;
};

/// One request on its way, from `start` until all memory given to it is free again.
class Exchange {
 public:
  /// `pace` is told how each try ended. `sink` may be null: the body is then kept in the answer. Both must outlive the exchange.
  Exchange(Request request, Pace& pace, Sink* sink) : request_(std::move(request)), pace_(pace), sink_(sink) {}
  /// Ends what still runs.
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Before `start`. Called from a thread of the CRT after each try that failed, once nothing has gone forward for a while: the
  /// CRT repeats by itself for minutes. The answer is what is known so far.
  void on_trouble(std::function<void(const Answer&)> tell) { tell_ = std::move(tell); }
  void start(const Destination& destination);
  /// Instead of `start`: it ends as stopped.
  void refuse();
  /// Until the end, or until nothing has happened for `patience`: that ends it. The answer may be moved from.
  Answer& wait(Duration patience);
  /// Ends it soon; any thread.
  void stop();
  /// Allows that many more bytes to come (get_parts with a sink only).
  void open_window(std::uint64_t bytes);

  [[nodiscard]] const Request& request() const { return request_; }

 private:
  static int on_head(aws_s3_meta_request*, const aws_http_headers*, int status, void* self);
  static int on_body(aws_s3_meta_request*, const aws_byte_cursor* bytes, std::uint64_t at, void* self);
  static void on_finish(aws_s3_meta_request*, const aws_s3_meta_request_result* result, void* self);
  static void on_try(aws_s3_meta_request*, aws_s3_request_metrics* metrics, void* self);
  static void on_progress(aws_s3_meta_request*, const aws_s3_meta_request_progress* progress, void* self);
  static void on_gone(void* self);
  void keep_headers(const aws_http_headers* headers);
  [[nodiscard]] std::size_t body_size() const;
  void cancel(bool Answer::* why);
  void moved();

  const Request request_;
  Pace& pace_;
  Sink* const sink_;
  std::function<void(const Answer&)> tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  aws_s3_meta_request* running_ = nullptr;
  Answer answer_;
  Instant moved_{};          ///< when something last went forward
  int same_trouble_ = 0;     ///< tries that ended in a row with what does not pass by itself
  bool finished_ = false;
  bool gone_ = false;
};

}  // namespace headrace::s3
