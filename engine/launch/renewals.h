#pragma once

#include <algorithm>

#include "base/time.h"
#include "loop/event_loop.h"

namespace headrace::launch {

/// When a lease is renewed: after a third of it, so that two renewals may be missed; at the latest after 5 minutes.
///
/// The time that the machine sleeps counts, since the lease goes on then; timers stand still. So who waits looks more often.
class Renewals {
 public:
  /// Counts from now.
  Renewals(const loop::EventLoop& loop, Duration lease)
      : loop_(loop), interval_(std::min<Duration>(lease / 3, 5min)), due_(loop.uptime() + interval_) {}

  [[nodiscard]] bool due() const { return loop_.uptime() >= due_; }
  /// When to ask again whether it is due: in a thirtieth of the interval, or when it is due.
  [[nodiscard]] Instant look() const {
    return loop_.now() + std::clamp<Duration>(due_ - loop_.uptime(), Duration{0}, interval_ / 30);
  }
  /// Counts from now again.
  void renewed() { due_ = loop_.uptime() + interval_; }

 private:
  const loop::EventLoop& loop_;
  Duration interval_;
  Duration due_;
};

}  // namespace headrace::launch
