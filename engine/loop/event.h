#pragma once

#include <memory>

#include "base/time.h"
#include "loop/async.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// "Look again": wakes coroutines that wait for a change. Keeps no memory: wait in a loop on the condition itself,
/// `while (!done) co_await changed.wait();`, which loses nothing since all run on one thread.
///
/// Must outlive what waits on it.
class Event {
 public:
  explicit Event(EventLoop& loop);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Wakes all that wait now; they run in later turns.
  void notify();
  [[nodiscard]] Async<void> wait();
  /// False when the deadline came first.
  [[nodiscard]] Async<bool> wait_until(Instant deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
