#include "loop/worker_pool.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

struct WorkerPool::State {
  State(EventLoop& l, unsigned n) : loop(l), threads(n), pool(n) {}
  EventLoop& loop;
  unsigned threads;
  asio::thread_pool pool;
  bool joined = false;
};

WorkerPool::WorkerPool(EventLoop& loop, unsigned threads) : state_(std::make_unique<State>(loop, threads)) {
  HR_CHECK(threads > 0);
}

WorkerPool::~WorkerPool() { join(); }

void WorkerPool::post(std::function<void()> work) {
  HR_CHECK(!state_->joined);
  asio::post(state_->pool, std::move(work));
}

void WorkerPool::join() {
  if (std::exchange(state_->joined, true)) return;
  state_->pool.join();
}

unsigned WorkerPool::threads() const { return state_->threads; }

Async<void> WorkerPool::submit(std::function<void()> work) {
  HR_CHECK(!state_->joined);
  auto initiate = [this](auto handler, std::function<void()> job) {
    // The guard keeps the loop's `run` from ending while only a thread is busy.
    auto guard = asio::make_work_guard(state_->loop.io());
    asio::post(state_->pool, [job = std::move(job), guard = std::move(guard), handler = std::move(handler)]() mutable {
      job();
      job = nullptr;  // What it holds is gone before the waiting coroutine goes on.
      auto executor = guard.get_executor();
      asio::post(executor, [handler = std::move(handler)]() mutable { std::move(handler)(); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable,
                                                                       std::move(work));
}

}  // namespace headrace::loop
