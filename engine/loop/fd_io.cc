#include "loop/fd_io.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace headrace::loop {

namespace asio = boost::asio;

FdIo::FdIo(EventLoop& loop, UniqueFd fd) : descriptor_(loop.io()) {
  HR_CHECK(fd);
  HR_CHECK(set_nonblocking(fd.get(), true).ok());
  boost::system::error_code code;
  descriptor_.assign(fd.get(), code);
  HR_CHECK(!code);  // Only a regular file, which has no readiness, is refused.
  (void)fd.release();
}

Async<bool> FdIo::readable() {
  boost::system::error_code code;
  co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, code));
  co_return descriptor_.is_open();
}

Async<bool> FdIo::writable() {
  boost::system::error_code code;
  co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_write, asio::redirect_error(asio::use_awaitable, code));
  co_return descriptor_.is_open();
}

int FdIo::fd() { return descriptor_.is_open() ? descriptor_.native_handle() : -1; }

void FdIo::close() {
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

Error end_error(std::string what) { return Error{.kind = Kind::missing, .what = std::move(what)}; }

}  // namespace headrace::loop
