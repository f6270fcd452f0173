#include "s3/pace.h"

#include <algorithm>

namespace headrace::s3 {

bool Pace::enter(Instant until) {
  std::unique_lock lock{mutex_};
  if (!changed_.wait_until(lock, until, [this] { return stopped_ || inside_ < limit_; }) || stopped_) return false;
  ++inside_;
  return true;
}

void Pace::leave() {
  const std::lock_guard lock{mutex_};
  --inside_;
  changed_.notify_one();
}

void Pace::note(bool throttled, Instant asked, Instant now) {
  const std::lock_guard lock{mutex_};
  if (throttled) {
    // What was sent before the limit was lowered says nothing about the lower one.
    if (asked < lowered_) return;
    lowered_ = now;
    limit_ = std::max(least_, limit_ / 2);
    answers_ = 0;
  } else if (limit_ < most_ && ++answers_ >= limit_) {
    ++limit_;
    answers_ = 0;
    changed_.notify_one();
  }
}

void Pace::stop() {
  const std::lock_guard lock{mutex_};
  stopped_ = true;
  changed_.notify_all();
}

int Pace::limit() const {
  const std::lock_guard lock{mutex_};
  return limit_;
}

}  // namespace headrace::s3
