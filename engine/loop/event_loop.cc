#include "loop/event_loop.h"

#include <exception>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

EventLoop::EventLoop(std::function<Duration()> uptime) : io_(std::make_unique<asio::io_context>(1)), uptime_(std::move(uptime)) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  io_->restart();
  io_->run();
}

void EventLoop::stop() { io_->stop(); }

void EventLoop::post(std::function<void()> f) { asio::post(*io_, std::move(f)); }

namespace {

void stop_process_on(std::exception_ptr exception) {
  if (!exception) return;
  std::string text = "no exception leaves a coroutine, but this did: ";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    text += e.what();
  } catch (...) {
    text += "not a std::exception";
  }
  check_failed(text, __FILE__, __LINE__);
}

}  // namespace

void EventLoop::spawn(Async<void> coroutine) { asio::co_spawn(*io_, std::move(coroutine), stop_process_on); }

Async<void> EventLoop::store_result(Async<void> coroutine, bool& done, EventLoop& loop) {
  co_await std::move(coroutine);
  done = true;
  loop.stop();
}

Async<void> EventLoop::yield() { co_await asio::post(*io_, asio::use_awaitable); }

Async<void> EventLoop::sleep_until(Instant deadline) {
  asio::steady_timer timer(*io_, deadline);
  boost::system::error_code ignored;  // Only cancellation is possible, and nothing cancels it.
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Async<void> EventLoop::sleep_for(Duration duration) { return sleep_until(now() + duration); }

Instant EventLoop::now() const { return std::chrono::steady_clock::now(); }

WallTime EventLoop::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace headrace::loop
