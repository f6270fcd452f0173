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
  // In a shared place, not in a frame: the loop may be destroyed, and the frame with it, while a thread still works.
  template <class F, class R>
  struct Kept {
    explicit Kept(F w) : work(std::move(w)) {}
    void do_work() { result.emplace(work()); }
    R take() { return std::move(*result); }
    F work;
    std::optional<R> result;
  };
  template <class F>
  struct Kept<F, void> {
    explicit Kept(F w) : work(std::move(w)) {}
    void do_work() { work(); }
    void take() {}
    F work;
  };

 public:
  /// `loop` must outlive the pool.
  WorkerPool(EventLoop& loop, unsigned threads);
  /// As `join`.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs `work` on a thread of the pool, in the order of asking as threads become free; goes on here, on the loop thread.
  /// `work` is moved from. It must have a name:
  ///
  ///   auto work = [key, &blobs] { return blobs.get(key); };
  ///   auto bytes = co_await pool.run(work);
  ///
  /// GCC 12 destroys the captures of a lambda that is written inside of a `co_await` twice (and the fields of any braced
  /// object; tools/awaits looks for both).
  template <class F, class R = std::invoke_result_t<F&>>
  [[nodiscard]] Async<R> run(F& work) {
    return run_kept<F, R>(std::make_shared<Kept<F, R>>(std::move(work)));
  }
  template <class F>
    requires(!std::is_lvalue_reference_v<F>)
  Async<void> run(F&& give_the_work_a_name_first) = delete;

  /// Runs `work` with nobody waiting for it.
  void post(std::function<void()> work);

  /// Blocks until all work is done and the threads have ended. Nothing may be asked afterwards.
  void join();

  [[nodiscard]] unsigned threads() const;

 private:
  [[nodiscard]] Async<void> submit(std::function<void()> work);

  template <class F, class R>
  Async<R> run_kept(std::shared_ptr<Kept<F, R>> kept);

  struct State;
  std::unique_ptr<State> state_;
};

template <class F, class R>
Async<R> WorkerPool::run_kept(std::shared_ptr<Kept<F, R>> kept) {
  std::function<void()> job = [kept] { kept->do_work(); };
  co_await submit(std::move(job));
  co_return kept->take();
}

}  // namespace headrace::loop
