#include "run/pod_log.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "codec/mflog.h"
#include "logs/attempt_log.h"

namespace headrace::run {

namespace {

constexpr std::string_view kSource = "task";
constexpr std::string_view kTruncated = "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]\n";

/// The last time in a stored log, and the texts of the lines that have it: two lines of one microsecond are told apart by them.
struct StoredEnd {
  std::optional<WallTime> time;
  std::multiset<std::string, std::less<>> texts;
};

StoredEnd end_of(std::string_view file) {
  StoredEnd end;
  for (const codec::LogLine& line : codec::parse_log(file)) {
    const auto time = codec::log_line_time(line);
    if (!time || (end.time && *time < *end.time)) continue;
    if (!end.time || *time > *end.time) end.texts.clear();
    end.time = time;
    end.texts.emplace(line.text);
  }
  return end;
}

std::string line_id(Random& random) { return fmt::format("{:016x}{:016x}", random.next(), random.next()); }

}  // namespace

void PodLog::output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) {
  if (!seq || bytes_ + line.size() > kBytesMax) return;
  bytes_ += line.size() + sizeof(Line);
  lines_[err ? 1 : 0].push_back(Line{.when = when, .text = std::string(line)});
}

Result<void> PodLog::store(store::Backend& data, const std::string& task_key, int attempt, std::uint64_t stored_bytes_max,
                           std::uint64_t id_seed) const {
  Random random(id_seed);
  for (logs::Stream stream : {logs::Stream::out, logs::Stream::err}) {
    const auto& lines = lines_[stream == logs::Stream::err ? 1 : 0];
    if (lines.empty()) continue;
    const std::string key = logs::log_path(task_key, attempt, kSource, stream);
    std::string file;
    if (auto stored = data.get(key)) {
      file = std::move(*stored);
    } else if (stored.error().kind != Kind::missing) {
      return std::move(stored).error();
    }
    if (!file.empty() && file.back() != '\n') file += '\n';
    StoredEnd end = end_of(file);
    const std::size_t before = file.size();
    for (const Line& line : lines) {
      if (end.time && line.when < *end.time) continue;
      if (end.time && line.when == *end.time) {
        const auto known = end.texts.find(line.text);
        if (known != end.texts.end()) {
          end.texts.erase(known);
          continue;
        }
      }
      if (file.size() + line.text.size() > stored_bytes_max) {
        if (file.find(kTruncated) == std::string::npos) codec::append_log_line(file, line.when, kSource, line_id(random), kTruncated);
        break;
      }
      codec::append_log_line(file, line.when, kSource, line_id(random), line.text + "\n");
    }
    if (file.size() > before) HR_TRY(data.put(key, file));
  }
  return {};
}

}  // namespace headrace::run
