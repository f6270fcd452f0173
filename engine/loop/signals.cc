#include "loop/signals.h"

#include <csignal>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

struct Signals::State {
  explicit State(EventLoop& loop) : set(loop.io()) {}
  asio::signal_set set;
  bool closed = false;
};

Signals::Signals(EventLoop& loop, std::initializer_list<int> numbers) : state_(std::make_shared<State>(loop)) {
  for (const int number : numbers) {
    boost::system::error_code code;
    state_->set.add(number, code);
    HR_CHECK(!code);
  }
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : numbers) sigaddset(&taken, number);
  pthread_sigmask(SIG_UNBLOCK, &taken, nullptr);
}

Signals::~Signals() { close(); }

void Signals::close() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->set.cancel(ignored);
  state_->set.clear(ignored);
}

namespace {

template <class State>
Async<int> next_of(std::shared_ptr<State> state) {
  if (state->closed) co_return 0;
  boost::system::error_code code;
  const int number = co_await state->set.async_wait(asio::redirect_error(asio::use_awaitable, code));
  co_return code ? 0 : number;
}

}  // namespace

Async<int> Signals::next() { return next_of(state_); }

void reset_signals(std::initializer_list<int> held) {
  for (int number = 1; number < NSIG; ++number) {
    if (number != SIGKILL && number != SIGSTOP) (void)std::signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
  }
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : held) sigaddset(&blocked, number);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

}  // namespace headrace::loop
