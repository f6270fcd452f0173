#include "logs/line_splitter.h"

#include <algorithm>

namespace headrace::logs {

bool LineSplitter::next(std::string_view& bytes) {
  const std::string_view part = bytes.substr(0, line_bytes_max_ - line_.size());
  const std::size_t end = part.find('\n');
  if (end != std::string_view::npos) {
    line_ += part.substr(0, end + 1);
    bytes.remove_prefix(end + 1);
    return true;
  }
  line_ += part;
  bytes.remove_prefix(part.size());
  // A newline that comes just here ends this very line; more bytes begin the next piece.
  if (line_.size() < line_bytes_max_ || bytes.empty()) return false;
  if (bytes.starts_with('\n')) bytes.remove_prefix(1);
  line_ += '\n';
  return true;
}

}  // namespace headrace::logs
