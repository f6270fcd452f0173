#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace headrace::codec {

/// One line of a task's output as it is stored: `[MFLOG|0|2026-01-02T03:04:05.678901Z|runtime|<id>]text\n`.
/// Views point into what was parsed.
struct LogLine {
  std::string_view time;     ///< `2026-01-02T03:04:05.678901`, UTC, without the Z; empty for a line without a frame
  std::string_view source;   ///< `runtime`, stamped by the scheduler, or `task`, stamped where the task ran
  std::string_view id;       ///< anything without `]`
  std::string_view text;     ///< as printed, without the newline at its end; for an unframed line: all of it
  bool framed = false;
  bool to_persist = false;   ///< began with `[!` before the frame: the receiver stores it, without that mark
};

/// What Metaflow gives as the time of a line without a frame.
inline constexpr std::string_view kMissingLogTime = "3000-01-01T00:00:00.000000";

/// One line, with or without its newline. Whatever is no frame of version 0 is an unframed line.
[[nodiscard]] LogLine parse_log_line(std::string_view line);

/// The time as a WallTime; nullopt for an unframed line or digits that are no time.
[[nodiscard]] std::optional<WallTime> log_line_time(const LogLine& line);

/// `[MFLOG|0|<time>Z|<source>|<id>]` + text, which keeps or lacks its newline.
void append_log_line(std::string& out, WallTime time, std::string_view source, std::string_view id, std::string_view text);

/// A framed line as it is to be stored: without the `[!` before its frame.
[[nodiscard]] std::string without_persist_mark(std::string_view line);

/// The lines of a stored log file; the last may lack its newline.
[[nodiscard]] std::vector<LogLine> parse_log(std::string_view file);

/// Merges the files of one stream: framed lines by time (equal times in the order given), then the unframed ones.
[[nodiscard]] std::vector<LogLine> merge_logs(const std::vector<std::string_view>& files);

}  // namespace headrace::codec
