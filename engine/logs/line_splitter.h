#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace::logs {

/// A line that is longer is cut into lines of this length: memory stays bounded whatever a task prints. It is above the
/// default bound of a stored log, so what is cut would not have been stored as one line anyway.
inline constexpr std::size_t kLogLineBytesMax = 16 * 1024 * 1024;

/// Bytes of a stream, as they come, to lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_bytes_max = kLogLineBytesMax) : line_bytes_max_(line_bytes_max) {}

  /// Calls `take(std::string_view line)` for each line that is now complete, its newline included. A cut piece gets a
  /// newline of its own. The view is valid during the call.
  template <class F>
  void feed(std::string_view bytes, F take);
  /// The stream has ended: calls `take` with what is left, without a newline, if anything is.
  template <class F>
  void finish(F take);

 private:
  /// Moves bytes over, up to the end of a line, its bound, or the end of `bytes`. True when `line_` is one to take.
  bool next(std::string_view& bytes);

  std::size_t line_bytes_max_;
  std::string line_;
};

template <class F>
void LineSplitter::feed(std::string_view bytes, F take) {
  while (!bytes.empty()) {
    // Mostly a whole line lies in `bytes`: no copy.
    const std::size_t end = bytes.substr(0, line_bytes_max_).find('\n');
    if (line_.empty() && end != std::string_view::npos) {
      take(bytes.substr(0, end + 1));
      bytes.remove_prefix(end + 1);
    } else if (next(bytes)) {
      take(std::string_view(line_));
      line_.clear();
    }
  }
}

template <class F>
void LineSplitter::finish(F take) {
  if (!line_.empty()) take(std::string_view(line_));
  line_ = std::string();
}

}  // namespace headrace::logs
