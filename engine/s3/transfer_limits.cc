#include "s3/transfer_limits.h"

#include <algorithm>
#include <chrono>

namespace headrace::s3 {

Instant Bandwidth::reserve(std::uint64_t bytes, Instant now) {
  if (bytes_per_s_ <= 0) return now;
  const std::chrono::duration<double> takes{static_cast<double>(bytes) / bytes_per_s_};
  const std::lock_guard lock{mutex_};
  const Instant begins = std::max(free_, now);
  free_ = begins + std::chrono::duration_cast<Duration>(takes);
  return begins;
}

bool Buffers::try_take(std::uint64_t bytes) {
  const auto wanted = static_cast<std::int64_t>(bytes);
  if (left_.fetch_sub(wanted) >= wanted) return true;
  left_ += wanted;
  return false;
}

}  // namespace headrace::s3
