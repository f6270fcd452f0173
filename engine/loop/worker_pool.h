#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "loop/async.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// Threads that take values and give values: hash, compress, read and write files. Work never sees an object that
/// belongs to the loop thread, and does not throw (an exception stops the process).
class WorkerPool {
 public:
  /// `loop` must outlive the pool.
  WorkerPool(EventLoop& loop, unsigned threads);
  /// As `join`.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs `work` on a thread of the pool, in the order of asking as threads become free; goes on here, on the loop thread.
  template <class F, class R = std::invoke_result_t<F&>>
  [[nodiscard]] Async<R> run(F work);

  /// Runs `work` with nobody waiting for it.
  void post(std::function<void()> work);

  /// Blocks until all work is done and the threads have ended. Nothing may be asked afterwards.
  void join();

  [[nodiscard]] unsigned threads() const;

 private:
  [[nodiscard]] Async<void> submit(std::function<void()> work);

  struct State;
  std::unique_ptr<State> state_;
};

template <class F, class R>
Async<R> WorkerPool::run(F work) {
  // In a shared place, not in this frame: the loop may be destroyed, and the frame with it, while a thread still works.
  auto kept_work = std::make_shared<F>(std::move(work));
  if constexpr (std::is_void_v<R>) {
    co_await submit([kept_work] { (*kept_work)(); });
  } else {
    auto result = std::make_shared<std::optional<R>>();
    co_await submit([kept_work, result] { result->emplace((*kept_work)()); });
    co_return std::move(**result);
  }
}

}  // namespace headrace::loop
