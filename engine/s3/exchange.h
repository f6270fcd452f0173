#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "s3/pace.h"
#include "s3/request.h"

namespace headrace::s3 {

/// Where the body of an answer goes as it comes, in order, from a thread of the CRT. False ends the exchange.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool take(std::string_view bytes) = 0;
  /// Nothing more comes.
  virtual void end() = 0;
};

/// A large transfer on its way, in as many requests as the CRT makes of it, from `start` until all memory given to it is free again.
class Exchange final : public Underway {
 public:
  /// `pace` is told how each try ended. `sink` is null when something is sent. Both must outlive the exchange.
  Exchange(Request request, Pace& pace, Sink* sink) : request_(std::move(request)), pace_(pace), sink_(sink) {}
  /// Ends what still runs.
  ~Exchange() override;
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
  void stop() override;
  /// Allows that many more bytes to come (get_parts with a sink only).
  void open_window(std::uint64_t bytes);

 private:
  static int on_head(aws_s3_meta_request*, const aws_http_headers*, int status, void* self);
  static int on_body(aws_s3_meta_request*, const aws_byte_cursor* bytes, std::uint64_t at, void* self);
  static void on_finish(aws_s3_meta_request*, const aws_s3_meta_request_result* result, void* self);
  static void on_try(aws_s3_meta_request*, aws_s3_request_metrics* metrics, void* self);
  static void on_progress(aws_s3_meta_request*, const aws_s3_meta_request_progress* progress, void* self);
  static void on_gone(void* self);
  void keep_headers(const aws_http_headers* headers);
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
