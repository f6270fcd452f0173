#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/mflog.h"
#include "logs/attempt_log.h"
#include "store/backend.h"

namespace headrace::logs {

/// One stream of one attempt, merged over its sources (`runtime`, `task`): framed lines by time, then unframed ones.
/// Move-only: `lines` point into `files`.
struct StoredLog {
  StoredLog() = default;
  StoredLog(StoredLog&&) noexcept = default;
  StoredLog& operator=(StoredLog&&) noexcept = default;

  std::vector<std::string> files;
  std::vector<codec::LogLine> lines;
};

/// `folder` is the key of a task in `data`, FLOW/RUN/STEP/TASK. Blocks; from any thread. Files that do not exist count as empty;
/// `N.stdout.log` of old Metaflow is read as unframed lines.
Result<StoredLog> read_log(store::Backend& data, const std::string& folder, int attempt, Stream stream);

/// Bytes stored, framing included; 0 if there is no file.
Result<std::uint64_t> log_size(store::Backend& data, const std::string& folder, int attempt, Stream stream);

/// Overwrites each file of the stream that exists with `[REDACTED <source> <stream>]`; returns the sources, `runtime`, `task`,
/// or the stream's own name for the old form.
Result<std::vector<std::string>> scrub_log(store::Backend& data, const std::string& folder, int attempt, Stream stream);

}  // namespace headrace::logs
