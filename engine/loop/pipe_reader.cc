#include "loop/pipe_reader.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include "loop/fd_io.h"

namespace headrace::loop {

struct PipeReader::State {
  State(EventLoop& loop, UniqueFd fd, std::size_t bytes_max) : io(loop, std::move(fd)), chunk_bytes(bytes_max) {}
  FdIo io;
  std::size_t chunk_bytes;
  std::string buffer;  // Allocated with the first byte: most pipes stay silent.
  bool reading = false;
};

PipeReader::PipeReader(EventLoop& loop, UniqueFd fd, std::size_t chunk_bytes)
    : state_(std::make_shared<State>(loop, std::move(fd), chunk_bytes)) {
  HR_CHECK(chunk_bytes > 0);
}
PipeReader::PipeReader(PipeReader&&) noexcept = default;
PipeReader& PipeReader::operator=(PipeReader&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
PipeReader::~PipeReader() { close(); }

void PipeReader::close() {
  if (state_) state_->io.close();
}

namespace {

template <class State>
Async<Result<std::string_view>> read_chunk(std::shared_ptr<State> state) {
  HR_CHECK(!std::exchange(state->reading, true));
  // Wait first, even if bytes may be there: other events get their turn between the pieces of a fast writer.
  while (!state->io.closed() && co_await state->io.readable()) {
    state->buffer.resize(state->chunk_bytes);
    const ssize_t count = ::read(state->io.fd(), state->buffer.data(), state->buffer.size());
    const int code = errno;
    if (count > 0) {
      state->reading = false;
      co_return std::string_view(state->buffer.data(), static_cast<std::size_t>(count));
    }
    if (count == 0 || code == ECONNRESET) break;
    if (code != EINTR && code != EAGAIN) {
      state->reading = false;
      co_return system_error(code, "cannot read from a pipe");
    }
  }
  state->reading = false;
  co_return std::string_view();
}

}  // namespace

Async<Result<std::string_view>> PipeReader::read() { return read_chunk(state_); }

Result<std::string> PipeReader::drain(std::size_t bytes_max) {
  std::string bytes;
  while (!state_->io.closed() && bytes.size() < bytes_max) {
    char chunk[4096];
    const ssize_t count = ::read(state_->io.fd(), chunk, std::min(sizeof chunk, bytes_max - bytes.size()));
    const int code = errno;
    if (count > 0) {
      bytes.append(chunk, static_cast<std::size_t>(count));
    } else if (count == 0 || code == EAGAIN) {
      break;
    } else if (code != EINTR) {
      return system_error(code, "cannot read from a pipe");
    }
  }
  return bytes;
}

}  // namespace headrace::loop
