#include "loop/timer.h"

#include <boost/asio/steady_timer.hpp>

namespace headrace::loop {

struct Timer::State {
  State(EventLoop& loop, std::function<void()> f) : timer(loop.io()), callback(std::move(f)) {}
  boost::asio::steady_timer timer;
  std::function<void()> callback;
  bool armed = false;
  unsigned long generation = 0;  // A wait that completed just before it was replaced must not fire.
};

Timer::Timer(EventLoop& loop, std::function<void()> callback) : state_(std::make_shared<State>(loop, std::move(callback))) {}
Timer::~Timer() { cancel(); }

void Timer::set(Instant deadline) {
  state_->armed = true;
  state_->timer.expires_at(deadline);
  state_->timer.async_wait([state = state_, mine = ++state_->generation](boost::system::error_code) {
    if (!state->armed || state->generation != mine) return;
    state->armed = false;
    state->callback();
  });
}

void Timer::cancel() {
  state_->armed = false;
  ++state_->generation;
  state_->timer.cancel();
}

bool Timer::armed() const { return state_->armed; }

}  // namespace headrace::loop
