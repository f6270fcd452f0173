#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "base/time.h"
#include "loop/async.h"

namespace headrace::loop {

/// The one thread that owns all state: whoever calls `run`.
///
/// Every object of this module belongs to one loop and is used on its thread only; `post` and `stop` alone may be
/// called from any thread. The loop must outlive all of them. Coroutines still waiting when the loop is destroyed are
/// destroyed with it, unfinished: a destructor in their frames must not touch what has been destroyed before the loop.
class EventLoop {
 public:
  /// `uptime`: another clock for what sleep matters to; in tests.
  explicit EventLoop(std::function<Duration()> uptime = time_since_boot);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Handles events until `stop`, or until nothing can happen any more. May be called again.
  void run();
  /// Ends `run` after the current handler.
  void stop();

  /// Runs `f` on the loop thread in a later turn. From any thread.
  void post(std::function<void()> f);
  /// Starts `coroutine` in a later turn. An exception that leaves it stops the process.
  void spawn(Async<void> coroutine);
  /// Runs the loop until `coroutine` has ended and gives its value. Broken invariant if the loop stops before.
  template <class T>
  T block_on(Async<T> coroutine);

  /// Lets everything else that is ready run first.
  [[nodiscard]] Async<void> yield();
  [[nodiscard]] Async<void> sleep_until(Instant deadline);
  [[nodiscard]] Async<void> sleep_for(Duration duration);

  [[nodiscard]] Instant now() const;
  [[nodiscard]] WallTime wall_now() const;
  /// A clock that goes on while the machine sleeps, which `now` and all timers do not.
  [[nodiscard]] Duration uptime() const { return uptime_(); }

  [[nodiscard]] boost::asio::io_context& io() { return *io_; }

 private:
  template <class T>
  static Async<void> store_result(Async<T> coroutine, std::optional<T>& result, bool& done, EventLoop& loop);
  static Async<void> store_result(Async<void> coroutine, bool& done, EventLoop& loop);

  std::unique_ptr<boost::asio::io_context> io_;
  std::function<Duration()> uptime_;
};

template <class T>
Async<void> EventLoop::store_result(Async<T> coroutine, std::optional<T>& result, bool& done, EventLoop& loop) {
  result.emplace(co_await std::move(coroutine));
  done = true;
  loop.stop();
}

template <class T>
T EventLoop::block_on(Async<T> coroutine) {
  bool done = false;
  if constexpr (std::is_void_v<T>) {
    spawn(store_result(std::move(coroutine), done, *this));
    run();
    HR_CHECK(done);
  } else {
    std::optional<T> result;
    spawn(store_result<T>(std::move(coroutine), result, done, *this));
    run();
    HR_CHECK(done);
    return std::move(*result);
  }
}

}  // namespace headrace::loop
