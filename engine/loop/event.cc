#include "loop/event.h"

#include <list>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

struct Event::State {
  explicit State(EventLoop& loop) : io(loop.io()) {}

  struct Waiter {
    Waiter(asio::io_context& io, Instant deadline) : timer(io, deadline) {}
    asio::steady_timer timer;
    bool notified = false;
  };

  asio::io_context& io;
  std::list<Waiter*> waiters;  // Each lives in the frame of the coroutine that waits.

  void notify() {
    for (Waiter* waiter : waiters) {
      waiter->notified = true;
      waiter->timer.cancel();
    }
  }
};

Event::Event(EventLoop& loop) : state_(std::make_shared<State>(loop)) {}
Event::~Event() = default;

void Event::notify() { state_->notify(); }

Async<void> Event::wait() { (void)co_await wait_until(Instant::max()); }

Async<bool> Event::wait_until(Instant deadline) {
  const std::shared_ptr<State> state = state_;
  State::Waiter waiter(state->io, deadline);
  // Leaves the list with the frame, also when the loop destroys it unfinished.
  struct Listed {
    State& state;
    std::list<State::Waiter*>::iterator place;
    ~Listed() { state.waiters.erase(place); }
  } const listed{*state, state->waiters.insert(state->waiters.end(), &waiter)};
  boost::system::error_code ignored;  // Cancelled or due: `notified` says which.
  co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return waiter.notified;
}

}  // namespace headrace::loop
