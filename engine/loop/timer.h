#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// Calls a function once at an instant, which can be moved or cancelled. Destroying the timer cancels it.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Replaces what was set before. An instant that has passed fires in a later turn.
  void set(Instant deadline);
  void cancel();
  [[nodiscard]] bool armed() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
