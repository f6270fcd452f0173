#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.h"

namespace headrace::console {

/// Buffered writing to stdout or stderr that does not wait for a slow reader and survives a closed one.
///
/// Bytes are kept until the descriptor takes them: by `flush`, which never waits, or by `drain`. Whoever owns the loop calls
/// `flush` at the end of each turn, and again soon (20 ms) while `pending()` is not 0. Bounds: `full()` says that the reader
/// is behind and that nobody should produce more; past kPendingMax `write` itself waits for room.
/// After EPIPE (and any other error) all output is thrown away and `broken()` is true: a run does not fail because `| head` has left.
class Output {
 public:
  static constexpr std::size_t kFlushBytes = std::size_t{32} << 10;
  static constexpr std::size_t kFullBytes = std::size_t{1} << 20;
  static constexpr std::size_t kPendingMax = std::size_t{64} << 20;

  /// Does not own `fd`. SIGPIPE must be ignored by the process.
  explicit Output(int fd);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view bytes);
  /// Writes what can be written at once; true if nothing is left.
  bool flush();
  /// Writes everything; gives up, and is broken, after `limit` without progress.
  void drain(Duration limit);

  [[nodiscard]] bool terminal() const { return terminal_; }
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] bool full() const { return pending() >= kFullBytes; }
  [[nodiscard]] std::size_t pending() const { return buffer_.size() - start_; }

 private:
  enum class Way { plain, socket, polled };
  /// Bytes taken, 0 when it would wait, -1 when broken.
  long write_some(std::string_view bytes);
  bool wait_writable(int milliseconds) const;

  int fd_;
  int own_fd_ = -1;  ///< the same pipe or terminal, opened anew so that O_NONBLOCK stays ours
  Way way_ = Way::plain;
  bool terminal_ = false;
  bool broken_ = false;
  std::string buffer_;
  std::size_t start_ = 0;  ///< of what is not yet written
};

}  // namespace headrace::console
