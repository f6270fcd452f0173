#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace headrace::codec {

/// Seconds to add to UTC for local time at that moment.
using UtcOffset = int (*)(WallTime);
/// Of the process's time zone (TZ).
[[nodiscard]] int local_utc_offset(WallTime time);

/// `2026-01-02T03:04:05.678901`, UTC: Metaflow's `%Y-%m-%dT%H:%M:%S.%f`.
[[nodiscard]] std::string to_iso(WallTime time);
/// Reads `to_iso`; also with a Z, and with a fraction of 1 to 6 digits or none. nullopt for anything else.
[[nodiscard]] std::optional<WallTime> from_iso(std::string_view text);

/// `2026-01-02 03:04:05.678`, local time: the console's; milliseconds are cut, not rounded.
[[nodiscard]] std::string to_console_time(WallTime time, UtcOffset offset = local_utc_offset);

/// `1767323045.123456`: seconds since 1970, as Python writes a float of `time.time()`.
[[nodiscard]] std::string to_epoch_seconds(WallTime time);

}  // namespace headrace::codec
