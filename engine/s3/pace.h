#pragma once

#include <condition_variable>
#include <mutex>

#include "base/time.h"

namespace headrace::s3 {

/// How many requests are sent at once: fewer while the service says it is too many, slowly more again. Any thread.
///
/// Halved when a request is throttled (once for all requests that were on their way then), one more after each `limit` answers.
class Pace {
 public:
  /// `most` > 0 at the beginning and at most; never fewer than `least`.
  Pace(int least, int most) : least_(least), most_(most), limit_(most) {}

  /// Waits for a turn. False when `until` has passed first or `stop` was called.
  [[nodiscard]] bool enter(Instant until);
  void leave();
  /// One answer came, throttled or not. `asked` is when its request was sent.
  void note(bool throttled, Instant asked, Instant now);
  void stop();

  [[nodiscard]] int limit() const;

 private:
  const int least_;
  const int most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int limit_;
  int inside_ = 0;
  int answers_ = 0;  ///< since the limit changed
  Instant lowered_{};
  bool stopped_ = false;
};

}  // namespace headrace::s3
