#include "loop/stream_socket.h"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>

#include "loop/async_lock.h"
#include "loop/fd_io.h"

namespace headrace::loop {

namespace {

constexpr std::size_t kPiecesAtOnceMax = 64;  // Below IOV_MAX; more pieces take more calls.

/// Drops the first `count` bytes of `pieces`.
void advance(std::vector<std::string_view>& pieces, std::size_t& first, std::size_t count) {
  while (first < pieces.size() && count >= pieces[first].size()) count -= pieces[first++].size();
  if (count > 0) pieces[first].remove_prefix(count);
}

}  // namespace

struct StreamSocket::State {
  State(EventLoop& loop, UniqueFd fd) : io(loop, std::move(fd)), write_lock(loop) {}
  FdIo io;
  AsyncLock write_lock;
  bool reading = false;
};

StreamSocket::StreamSocket(EventLoop& loop, UniqueFd fd) : state_(std::make_shared<State>(loop, std::move(fd))) {}
StreamSocket::StreamSocket(StreamSocket&&) noexcept = default;
StreamSocket& StreamSocket::operator=(StreamSocket&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
StreamSocket::~StreamSocket() { close(); }

void StreamSocket::close() {
  if (state_) state_->io.close();
}

int StreamSocket::fd() const { return state_->io.fd(); }

namespace {

template <class State>
Async<Result<std::size_t>> read_into(std::shared_ptr<State> state, std::span<char> buffer) {
  HR_CHECK(!buffer.empty());
  HR_CHECK(!std::exchange(state->reading, true));
  for (;;) {
    if (state->io.closed()) break;
    const ssize_t count = ::recv(state->io.fd(), buffer.data(), buffer.size(), 0);
    const int code = errno;
    if (count > 0) {
      state->reading = false;
      co_return static_cast<std::size_t>(count);
    }
    if (count == 0 || code == ECONNRESET) break;
    if (code == EINTR) continue;
    if (code != EAGAIN) {
      state->reading = false;
      co_return system_error(code, "cannot read from a socket");
    }
    if (!co_await state->io.readable()) break;
  }
  state->reading = false;
  co_return end_error("the other side has closed the connection");
}

template <class State>
Async<Result<void>> write_from(std::shared_ptr<State> state, std::vector<std::string_view> pieces) {
  const AsyncLock::Guard guard = co_await state->write_lock.acquire();
  std::size_t first = 0;
  advance(pieces, first, 0);  // Empty pieces at the front.
  while (first < pieces.size()) {
    if (state->io.closed()) co_return end_error("the connection was closed here");
    iovec vectors[kPiecesAtOnceMax];
    const std::size_t vector_count = std::min(pieces.size() - first, kPiecesAtOnceMax);
    for (std::size_t i = 0; i < vector_count; ++i) {
      vectors[i] = {const_cast<char*>(pieces[first + i].data()), pieces[first + i].size()};
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = vector_count;
    const ssize_t count = ::sendmsg(state->io.fd(), &message, MSG_NOSIGNAL);
    const int code = errno;
    if (count >= 0) {
      advance(pieces, first, static_cast<std::size_t>(count));
    } else if (code == EPIPE || code == ECONNRESET) {
      co_return end_error("the other side has closed the connection");
    } else if (code == EAGAIN) {
      if (!co_await state->io.writable()) co_return end_error("the connection was closed here");
    } else if (code != EINTR) {
      co_return system_error(code, "cannot write to a socket");
    }
  }
  co_return Result<void>();
}

template <class State>
Async<Result<void>> read_all_of(std::shared_ptr<State> state, std::span<char> buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    auto count = co_await read_into(state, buffer.subspan(filled));
    if (!count) {
      if (filled == 0 || count.error().kind != Kind::missing) co_return count.error();
      co_return Error{.kind = Kind::failed, .what = "the connection ended in the middle of a message",
                      .why = count.error().what};
    }
    filled += *count;
  }
  co_return Result<void>();
}

}  // namespace

Async<Result<std::size_t>> StreamSocket::read_some(std::span<char> buffer) { return read_into(state_, buffer); }
Async<Result<void>> StreamSocket::read_exact(std::span<char> buffer) { return read_all_of(state_, buffer); }
Async<Result<void>> StreamSocket::write_all(std::vector<std::string_view> pieces) {
  return write_from(state_, std::move(pieces));
}

}  // namespace headrace::loop
