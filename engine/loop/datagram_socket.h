#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/unique_fd.h"

namespace headrace::loop {

/// A longer message is refused by `send`; `receive` answers one with an error.
inline constexpr std::size_t kDatagramBytesMax = 64 * 1024;
/// More descriptors in one message are refused by `send`; `receive` closes them and answers with an error.
inline constexpr std::size_t kDatagramFdsMax = 16;

struct Datagram {
  std::string bytes;
  std::vector<UniqueFd> fds;  ///< close-on-exec
};

/// A SOCK_SEQPACKET Unix socket: whole messages, with descriptors attached.
///
/// One coroutine receives at a time; several may send. Errors: `missing` at the end (no other holder of the far end is
/// left, or `close` was called here), `failed` for the rest; after a message that is too large, `receive` may go on.
class DatagramSocket {
 public:
  /// Makes the descriptor non-blocking. Sharing it with another process that expects to block is a mistake.
  DatagramSocket(EventLoop& loop, UniqueFd fd);
  DatagramSocket(DatagramSocket&&) noexcept;
  DatagramSocket& operator=(DatagramSocket&&) noexcept;
  ~DatagramSocket();

  [[nodiscard]] Async<Result<Datagram>> receive();
  /// `fds` are copied to the receiver and closed here once sent. An empty message is refused: it would read as the end.
  [[nodiscard]] Async<Result<void>> send(std::string bytes, std::vector<UniqueFd> fds = {});

  void close();
  [[nodiscard]] int fd() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
