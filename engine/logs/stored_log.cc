#include "logs/stored_log.h"

#include <optional>

#include <fmt/format.h>

namespace headrace::logs {

namespace {

struct Source {
  std::string name;  ///< as scrub_log says it
  std::string key;
};

/// Where lines of a stream may be, in the order in which equal times are shown.
std::vector<Source> sources_of(const std::string& folder, int attempt, Stream stream) {
  const std::string legacy(name_of(stream));
  return {{"runtime", log_path(folder, attempt, "runtime", stream)},
          {"task", log_path(folder, attempt, "task", stream)},
          {legacy, fmt::format("{}/{}.{}.log", folder, attempt, legacy)}};
}

}  // namespace

Result<StoredLog> read_log(store::Backend& data, const std::string& folder, int attempt, Stream stream) {
  StoredLog log;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    auto bytes = data.get(source.key);
    if (bytes) {
      log.files.push_back(*std::move(bytes));
    } else if (bytes.error().kind != Kind::missing) {
      return std::move(bytes).error();
    }
  }
  log.lines = codec::merge_logs(std::vector<std::string_view>(log.files.begin(), log.files.end()));
  return log;
}

Result<std::uint64_t> log_size(store::Backend& data, const std::string& folder, int attempt, Stream stream) {
  std::uint64_t size = 0;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    size += HR_TRY(data.size(source.key)).value_or(0);
  }
  return size;
}

Result<std::vector<std::string>> scrub_log(store::Backend& data, const std::string& folder, int attempt, Stream stream) {
  std::vector<std::string> scrubbed;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    if (!HR_TRY(data.size(source.key))) continue;
    HR_TRY(data.put(source.key, fmt::format("[REDACTED {} {}]", source.name, name_of(stream))));
    scrubbed.push_back(source.name);
  }
  return scrubbed;
}

}  // namespace headrace::logs
