#include "logs/stored_log.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "loop/unique_fd.h"

namespace headrace::logs {

namespace {

struct Source {
  std::string name;  ///< as scrub_log says it
  std::string path;
};

/// Where lines of a stream may be, in the order in which equal times are shown.
std::vector<Source> sources_of(const std::string& folder, int attempt, Stream stream) {
  const std::string legacy(name_of(stream));
  return {{"runtime", log_path(folder, attempt, "runtime", stream)},
          {"task", log_path(folder, attempt, "task", stream)},
          {legacy, fmt::format("{}/{}.{}.log", folder, attempt, legacy)}};
}

Result<std::optional<std::string>> read_file(const std::string& path) {
  const loop::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return system_error(errno, "a log cannot be opened").at(path);
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "a log cannot be read").at(path);
  // The file may grow meanwhile: one byte more than it had shows its end.
  std::string bytes(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t filled = 0;
  for (;;) {
    const ssize_t count = ::read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(errno, "a log cannot be read").at(path);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    if (filled == bytes.size()) bytes.resize(bytes.size() * 2);
  }
  bytes.resize(filled);
  return std::optional<std::string>(std::move(bytes));
}

Result<void> replace_file(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const loop::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return system_error(errno, "a log cannot be replaced").at(path);
  int code = 0;
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) code = errno ? errno : ENOSPC;
  if (code == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) code = errno;
  if (code == 0) return {};
  (void)::unlink(temporary.c_str());
  return system_error(code, "a log cannot be replaced").at(path);
}

}  // namespace

Result<StoredLog> read_log(const std::string& folder, int attempt, Stream stream) {
  StoredLog log;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    if (auto bytes = HR_TRY(read_file(source.path))) log.files.push_back(std::move(*bytes));
  }
  log.lines = codec::merge_logs(std::vector<std::string_view>(log.files.begin(), log.files.end()));
  return log;
}

Result<std::uint64_t> log_size(const std::string& folder, int attempt, Stream stream) {
  std::uint64_t size = 0;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    struct stat status{};
    if (::stat(source.path.c_str(), &status) == 0) {
      size += static_cast<std::uint64_t>(status.st_size);
    } else if (errno != ENOENT && errno != ENOTDIR) {
      return system_error(errno, "a log cannot be looked at").at(source.path);
    }
  }
  return size;
}

Result<std::vector<std::string>> scrub_log(const std::string& folder, int attempt, Stream stream) {
  std::vector<std::string> scrubbed;
  for (const Source& source : sources_of(folder, attempt, stream)) {
    struct stat status{};
    if (::stat(source.path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      return system_error(errno, "a log cannot be looked at").at(source.path);
    }
    HR_TRY(replace_file(source.path, fmt::format("[REDACTED {} {}]", source.name, name_of(stream))));
    scrubbed.push_back(source.name);
  }
  return scrubbed;
}

}  // namespace headrace::logs
