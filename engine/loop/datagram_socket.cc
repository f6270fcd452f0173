#include "loop/datagram_socket.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>

#include "loop/async_lock.h"
#include "loop/fd_io.h"

namespace headrace::loop {

struct DatagramSocket::State {
  State(EventLoop& loop, UniqueFd fd) : io(loop, std::move(fd)), send_lock(loop) {}
  FdIo io;
  AsyncLock send_lock;
  bool receiving = false;
};

DatagramSocket::DatagramSocket(EventLoop& loop, UniqueFd fd) : state_(std::make_shared<State>(loop, std::move(fd))) {}
DatagramSocket::DatagramSocket(DatagramSocket&&) noexcept = default;
DatagramSocket& DatagramSocket::operator=(DatagramSocket&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
DatagramSocket::~DatagramSocket() { close(); }

void DatagramSocket::close() {
  if (state_) state_->io.close();
}

int DatagramSocket::fd() const { return state_->io.fd(); }

namespace {

struct Received {
  ssize_t count = 0;
  int code = 0;
  int flags = 0;
  Datagram datagram;
};

Received receive_now(int fd) {
  Received received;
  std::string buffer(kDatagramBytesMax, '\0');
  iovec vector{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDatagramFdsMax)];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  received.count = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  received.code = errno;
  if (received.count < 0) return received;
  received.flags = message.msg_flags;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int passed = -1;
      std::memcpy(&passed, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      received.datagram.fds.emplace_back(passed);
    }
  }
  buffer.resize(static_cast<std::size_t>(received.count));
  buffer.shrink_to_fit();
  received.datagram.bytes = std::move(buffer);
  return received;
}

template <class State>
Async<Result<Datagram>> receive_from(std::shared_ptr<State> state) {
  HR_CHECK(!std::exchange(state->receiving, true));
  for (;;) {
    if (state->io.closed()) break;
    Received received = receive_now(state->io.fd());
    if (received.count > 0) {
      state->receiving = false;
      if (received.flags & MSG_TRUNC) {
        co_return Error{.what = "a message of more than 64 KiB came", .why = "the other side does not keep to the protocol"};
      }
      if (received.flags & MSG_CTRUNC) {
        co_return Error{.what = "the descriptors of a message could not be received",
                        .why = "more than 16 were sent, or this process has too many files open",
                        .next = "raise the limit of open files (`ulimit -n`)"};
      }
      co_return std::move(received.datagram);
    }
    if (received.count == 0 || received.code == ECONNRESET) break;
    if (received.code == EINTR) continue;
    if (received.code != EAGAIN) {
      state->receiving = false;
      co_return system_error(received.code, "cannot receive from a socket");
    }
    if (!co_await state->io.readable()) break;
  }
  state->receiving = false;
  co_return end_error("the other side has closed the connection");
}

template <class State>
Async<Result<void>> send_to(std::shared_ptr<State> state, std::string bytes, std::vector<UniqueFd> fds) {
  HR_CHECK(!bytes.empty());
  HR_CHECK(fds.size() <= kDatagramFdsMax);
  if (bytes.size() > kDatagramBytesMax) {
    co_return Error{.kind = Kind::misuse, .what = "a message of more than 64 KiB cannot be sent"};
  }
  const AsyncLock::Guard guard = co_await state->send_lock.acquire();
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDatagramFdsMax)] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const int passed = fds[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &passed, sizeof(int));
    }
  }
  for (;;) {
    if (state->io.closed()) co_return end_error("the connection was closed here");
    const ssize_t count = ::sendmsg(state->io.fd(), &message, MSG_NOSIGNAL);
    const int code = errno;
    if (count >= 0) co_return Result<void>();
    if (code == EPIPE || code == ECONNRESET) co_return end_error("the other side has closed the connection");
    if (code == EAGAIN) {
      if (!co_await state->io.writable()) co_return end_error("the connection was closed here");
    } else if (code != EINTR) {
      co_return system_error(code, "cannot send on a socket");
    }
  }
}

}  // namespace

Async<Result<Datagram>> DatagramSocket::receive() { return receive_from(state_); }
Async<Result<void>> DatagramSocket::send(std::string bytes, std::vector<UniqueFd> fds) {
  return send_to(state_, std::move(bytes), std::move(fds));
}

}  // namespace headrace::loop
