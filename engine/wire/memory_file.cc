#include "wire/memory_file.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace headrace::wire {

Result<std::string> read_memory_file(int fd, std::string what) {
  std::string bytes;
  std::string piece(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, std::move(what) + " cannot be read").at(fmt::format("descriptor {}", fd));
    if (got == 0) return bytes;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace headrace::wire
