#pragma once

#include <memory>

#include "loop/async.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// Lets one coroutine at a time through, in the order of asking. Not for threads.
class AsyncLock {
 public:
  explicit AsyncLock(EventLoop& loop);
  ~AsyncLock();
  AsyncLock(const AsyncLock&) = delete;
  AsyncLock& operator=(const AsyncLock&) = delete;

  class [[nodiscard]] Guard;
  [[nodiscard]] Async<Guard> acquire();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Holds the lock until it is destroyed. Keeps what it needs alive, so it may outlive the lock.
class [[nodiscard]] AsyncLock::Guard {
 public:
  Guard(Guard&&) noexcept = default;
  Guard& operator=(Guard&&) = delete;
  ~Guard();

 private:
  friend class AsyncLock;
  explicit Guard(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
