#include "console/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <fmt/format.h>

namespace headrace::console {

// O_NONBLOCK belongs to the open file, which stdout shares with the shell and with the tasks' host: setting it there would
// change theirs. A pipe or terminal is therefore opened anew through /proc; a socket has MSG_DONTWAIT; where neither works,
// small pieces are written after poll says that there is room. Regular files never make a writer wait for a reader.
Output::Output(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    broken_ = true;
    return;
  }
  if (S_ISSOCK(info.st_mode)) {
    way_ = Way::socket;
  } else if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
    own_fd_ = ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own_fd_ < 0) way_ = Way::polled;
  }
}

Output::~Output() {
  if (own_fd_ >= 0) ::close(own_fd_);
}

bool Output::wait_writable(int milliseconds) const {
  pollfd wanted{.fd = own_fd_ >= 0 ? own_fd_ : fd_, .events = POLLOUT, .revents = 0};
  return ::poll(&wanted, 1, milliseconds) > 0;
}

long Output::write_some(std::string_view bytes) {
  // PIPE_BUF: what a pipe that polls writable takes without waiting.
  constexpr std::size_t kPolledBytes = 4096;
  for (;;) {
    long taken = -1;
    switch (way_) {
      case Way::plain:
        taken = ::write(own_fd_ >= 0 ? own_fd_ : fd_, bytes.data(), bytes.size());
        break;
      case Way::socket:
        taken = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
      case Way::polled:
        if (!wait_writable(0)) return 0;
        taken = ::write(fd_, bytes.data(), std::min(bytes.size(), kPolledBytes));
        break;
    }
    if (taken >= 0) return taken;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return -1;
  }
}

bool Output::flush() {
  while (!broken_ && pending() > 0) {
    const long taken = write_some(std::string_view(buffer_).substr(start_));
    if (taken < 0) {
      broken_ = true;
    } else if (taken == 0) {
      break;
    } else {
      start_ += static_cast<std::size_t>(taken);
    }
  }
  if (broken_ || pending() == 0) {
    buffer_.clear();
    start_ = 0;
  } else if (start_ > buffer_.size() / 2) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  return pending() == 0;
}

void Output::write(std::string_view bytes) {
  if (broken_) return;
  buffer_.append(bytes);
  if (pending() >= kFlushBytes && pending() < kFullBytes) flush();
  // Nobody has heeded full(): waiting is the only way left to keep a bound.
  if (pending() >= kFullBytes && !flush() && pending() > kPendingMax) {
    while (!broken_ && pending() > kPendingMax) {
      wait_writable(100);
      flush();
    }
  }
}

void Output::drain(Duration limit) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  const int wait = static_cast<int>(std::clamp<long>(milliseconds, 0, std::numeric_limits<int>::max()));
  while (!flush()) {
    const std::size_t before = pending();
    if (!wait_writable(wait)) broken_ = true;
    if (!flush() && pending() == before && !wait_writable(0)) broken_ = true;
  }
}

}  // namespace headrace::console
