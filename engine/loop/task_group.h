#pragma once

#include <cstddef>
#include <memory>

#include "loop/async.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// Coroutines that run side by side and are waited for together. What they refer to must live until `wait` returns.
class TaskGroup {
 public:
  explicit TaskGroup(EventLoop& loop);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Async<void> coroutine);
  /// Returns when none is left, also those spawned while waiting.
  [[nodiscard]] Async<void> wait();
  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
