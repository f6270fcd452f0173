#include "console/run_lines.h"

#include <fmt/format.h>

#include "codec/utf8.h"
#include "console/ansi.h"

namespace headrace::console {
namespace {

constexpr std::string_view kPythonWhiteSpace = " \t\n\r\v\f";

std::string head_of(std::string_view path, std::optional<pid_t> pid) {
  return pid ? fmt::format("[{} (pid {})] ", path, *pid) : fmt::format("[{}] ", path);
}

}  // namespace

std::string task_text(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of(kPythonWhiteSpace);
  if (first == std::string_view::npos) return {};
  const std::size_t last = bytes.find_last_not_of(kPythonWhiteSpace);
  return codec::to_utf8(bytes.substr(first, last - first + 1));
}

RunLines::RunLines(Output& out, codec::UtcOffset offset) : out_(out), offset_(offset) {}

void RunLines::run_line(WallTime time, std::string_view text, bool bad) { emit(time, {}, text, true, bad); }

void RunLines::task_note(WallTime time, std::string_view path, std::optional<pid_t> pid, std::string_view text) {
  emit(time, head_of(path, pid), text, true, false);
}

void RunLines::task_line(WallTime time, std::string_view path, std::optional<pid_t> pid, std::string_view bytes) {
  emit(time, head_of(path, pid), task_text(bytes), false, false);
}

void RunLines::hold() { held_ = true; }

void RunLines::release(WallTime time, const std::vector<RunLine>& first) {
  held_ = false;
  for (const RunLine& line : first) run_line(time, line.text, line.bad);
  out_.write(held_lines_);
  held_lines_.clear();
  held_lines_.shrink_to_fit();
}

void RunLines::emit(WallTime time, std::string_view head, std::string_view body, bool note, bool bad) {
  // Many lines share a second; the calendar is asked once for each.
  const WallTime second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != second_ || second_text_.empty()) {
    second_ = second;
    second_text_ = codec::to_console_time(second, offset_);
    second_text_.resize(second_text_.size() - 3);
  }
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time - second).count();
  line_.clear();
  const auto piece = [&](std::string_view style, std::string_view text) {
    if (out_.terminal()) {
      line_.append(style).append(text).append(kReset);
    } else {
      append_without_ansi(line_, text);
    }
  };
  piece(kMagenta, fmt::format("{}{:03} ", second_text_, milliseconds));
  if (!head.empty()) piece(kGreen, head);
  if (bad) {
    piece("\x1b[31m\x1b[1m", body);
  } else {
    piece(note ? kBold : kNotBold, body);
  }
  line_ += '\n';
  if (held_ && held_lines_.size() + line_.size() <= kHeldBytesMax) {
    held_lines_ += line_;
  } else {
    out_.write(line_);
  }
}

}  // namespace headrace::console
