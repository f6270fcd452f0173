#include "cli/command.h"

#include <charconv>

#include "base/time.h"
#include "console/error_block.h"
#include "console/output.h"

namespace headrace::cli {

std::optional<int> parse_descriptor(std::string_view text) {
  int fd = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || fd < 0) return std::nullopt;
  return fd;
}

int end_command(const Result<void>& done) {
  if (done) return 0;
  console::Output err(2);
  console::error_block(err, done.error());
  err.drain(2s);
  return 1;
}

}  // namespace headrace::cli
