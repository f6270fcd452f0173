#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/unique_fd.h"

namespace headrace::loop {

/// A connected Unix stream socket.
///
/// One coroutine reads at a time; several may write: each `write_all` goes out whole, in the order of asking.
/// Errors: `missing` when the other side has closed before the first byte (or `close` was called here), `failed` when it
/// closed in the middle and for what the system says.
class StreamSocket {
 public:
  /// Makes the descriptor non-blocking.
  StreamSocket(EventLoop& loop, UniqueFd fd);
  StreamSocket(StreamSocket&&) noexcept;
  StreamSocket& operator=(StreamSocket&&) noexcept;
  /// As `close`.
  ~StreamSocket();

  /// Fills `buffer`, which must live until then.
  [[nodiscard]] Async<Result<void>> read_exact(std::span<char> buffer);
  /// Reads what is there, at least one byte, at most the buffer.
  [[nodiscard]] Async<Result<std::size_t>> read_some(std::span<char> buffer);
  /// Writes the pieces one after another; the bytes must live until then. (GCC 12 does not compile a braced list inside
  /// a `co_await`: make the vector first.)
  [[nodiscard]] Async<Result<void>> write_all(std::vector<std::string_view> pieces);

  /// Ends what waits in `read_*` and `write_all` with `missing`, and closes the descriptor.
  void close();
  [[nodiscard]] int fd() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
