#include "base/files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace headrace {
namespace {

template <class Write>
int write_pieces(std::string_view bytes, Write write) {
  while (!bytes.empty()) {
    const ssize_t n = write(bytes.data(), std::min<std::size_t>(bytes.size(), 1U << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

int write_all(int fd, std::string_view bytes) {
  return write_pieces(bytes, [fd](const char* from, std::size_t size) { return ::write(fd, from, size); });
}

int write_all_at(int fd, std::string_view bytes, std::uint64_t at) {
  return write_pieces(bytes, [fd, at, begin = bytes.data()](const char* from, std::size_t size) {
    return ::pwrite(fd, from, size, static_cast<off_t>(at + static_cast<std::uint64_t>(from - begin)));
  });
}

}  // namespace headrace
