#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/unique_fd.h"

namespace headrace::loop {

/// Reads a pipe (or socket) piece by piece until its end. A fast writer does not keep the loop from other events.
class PipeReader {
 public:
  /// `chunk_bytes` is the most that one `read` gives.
  PipeReader(EventLoop& loop, UniqueFd fd, std::size_t chunk_bytes = 64 * 1024);
  PipeReader(PipeReader&&) noexcept;
  PipeReader& operator=(PipeReader&&) noexcept;
  ~PipeReader();

  /// The next bytes, valid until the next `read`; empty at the end: no writer is left, or `close` was called here.
  [[nodiscard]] Async<Result<std::string_view>> read();
  /// What is in the pipe now without waiting, at most `bytes_max`: for writers that outlive the task.
  [[nodiscard]] Result<std::string> drain(std::size_t bytes_max);

  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::loop
