#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace headrace {

using Duration = std::chrono::nanoseconds;
/// A point on the steady clock; for deadlines and intervals.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// A point on the calendar, in microseconds since 1970 (UTC); for what is stored and shown.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

using namespace std::chrono_literals;

/// CLOCK_BOOTTIME: goes on while the machine sleeps, as the steady clock does not.
[[nodiscard]] inline Duration time_since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// Milliseconds since 1970: Metaflow's `ts_epoch`.
[[nodiscard]] inline std::int64_t epoch_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace headrace
