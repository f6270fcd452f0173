#include "loop/unique_fd.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headrace::loop {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<FdPair> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return system_error(errno, "cannot make a pipe");
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

namespace {

Result<FdPair> make_pair_of(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return system_error(errno, "cannot make a pair of sockets");
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace

Result<FdPair> make_stream_pair() { return make_pair_of(SOCK_STREAM); }
Result<FdPair> make_datagram_pair() { return make_pair_of(SOCK_SEQPACKET); }

Result<void> set_nonblocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return system_error(errno, "cannot read the flags of a descriptor");
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) != 0) return system_error(errno, "cannot set the flags of a descriptor");
  return {};
}

}  // namespace headrace::loop
