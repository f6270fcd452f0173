#include "loop/async_lock.h"

#include <deque>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

struct AsyncLock::State {
  explicit State(EventLoop& loop) : io(loop.io()) {}
  asio::io_context& io;
  bool held = false;
  std::deque<std::shared_ptr<asio::steady_timer>> waiters;
};

AsyncLock::AsyncLock(EventLoop& loop) : state_(std::make_shared<State>(loop)) {}
AsyncLock::~AsyncLock() = default;

Async<AsyncLock::Guard> AsyncLock::acquire() {
  const std::shared_ptr<State> state = state_;
  if (!state->held) {
    state->held = true;
    co_return Guard(state);
  }
  const auto turn = std::make_shared<asio::steady_timer>(state->io, Instant::max());
  state->waiters.push_back(turn);
  boost::system::error_code ignored;  // Always cancelled: that is the wake-up.
  co_await turn->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return Guard(state);  // `held` stayed true: the former holder handed it over.
}

AsyncLock::Guard::~Guard() {
  if (!state_) return;
  if (state_->waiters.empty()) {
    state_->held = false;
    return;
  }
  const auto next = std::move(state_->waiters.front());
  state_->waiters.pop_front();
  next->cancel();
}

}  // namespace headrace::loop
