#pragma once

#include <utility>

#include "base/result.h"

namespace headrace::loop {

/// Owns one file descriptor; closes it once.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  /// Gives the descriptor away, unclosed.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

struct FdPair {
  UniqueFd first;   ///< of a pipe: the end to read
  UniqueFd second;  ///< of a pipe: the end to write
};

/// All descriptors made here are close-on-exec; passing one over a socket or `dup2` clears that where it is wanted.
Result<FdPair> make_pipe();
/// A connected pair of Unix sockets: `SOCK_STREAM`, a byte stream both ways.
Result<FdPair> make_stream_pair();
/// A connected pair of Unix sockets: `SOCK_SEQPACKET`, whole messages, with an end of file.
Result<FdPair> make_datagram_pair();
/// O_NONBLOCK on or off. It belongs to the open file, so all who share it see it.
Result<void> set_nonblocking(int fd, bool on);

}  // namespace headrace::loop
