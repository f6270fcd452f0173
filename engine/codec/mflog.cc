#include "codec/mflog.h"

#include <algorithm>

#include "codec/timestamp.h"

namespace headrace::codec {

namespace {

/// Cuts what stands before the next `separator` off `rest`; false if there is none.
bool cut(std::string_view& rest, char separator, std::string_view& part) {
  const std::size_t end = rest.find(separator);
  if (end == std::string_view::npos) return false;
  part = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

constexpr std::string_view kFrame = "[MFLOG|0|";
constexpr std::string_view kPersistMark = "[!";

}  // namespace

LogLine parse_log_line(std::string_view line) {
  LogLine parsed;
  parsed.text = line.ends_with('\n') ? line.substr(0, line.size() - 1) : line;
  std::string_view rest = parsed.text;
  const bool to_persist = rest.starts_with(kPersistMark);
  if (to_persist) rest.remove_prefix(kPersistMark.size());
  if (!rest.starts_with(kFrame)) return parsed;
  rest.remove_prefix(kFrame.size());
  std::string_view time, source, id;
  if (!cut(rest, '|', time) || !cut(rest, '|', source) || !cut(rest, ']', id)) return parsed;
  // Metaflow's readers want the fraction and the Z; what they take for no frame must be none here.
  if (!time.ends_with('Z') || time.find('.') == std::string_view::npos || !from_iso(time)) return parsed;
  if (source.empty() || id.empty()) return parsed;
  time.remove_suffix(1);
  return LogLine{.time = time, .source = source, .id = id, .text = rest, .framed = true, .to_persist = to_persist};
}

std::optional<WallTime> log_line_time(const LogLine& line) {
  return line.framed ? from_iso(line.time) : std::nullopt;
}

void append_log_line(std::string& out, WallTime time, std::string_view source, std::string_view id, std::string_view text) {
  out += "[MFLOG|0|";
  out += to_iso(time);
  out += "Z|";
  out += source;
  out += '|';
  out += id;
  out += ']';
  out += text;
}

std::string without_persist_mark(std::string_view line) {
  std::string stored(line);
  if (line.starts_with(kPersistMark)) stored.erase(0, kPersistMark.size());
  return stored;
}

std::vector<LogLine> parse_log(std::string_view file) {
  std::vector<LogLine> lines;
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size() - 1) + 1;
    lines.push_back(parse_log_line(file.substr(0, end)));
    file.remove_prefix(end);
  }
  return lines;
}

std::vector<LogLine> merge_logs(const std::vector<std::string_view>& files) {
  std::vector<LogLine> lines;
  for (const std::string_view file : files) {
    const auto more = parse_log(file);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  std::stable_sort(lines.begin(), lines.end(), [](const LogLine& a, const LogLine& b) {
    return a.framed != b.framed ? a.framed : a.time < b.time;
  });
  return lines;
}

}  // namespace headrace::codec
