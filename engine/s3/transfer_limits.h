#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/time.h"

namespace headrace::s3 {

/// How fast bytes may move: what is more waits for its turn, request by request. Any thread.
class Bandwidth {
 public:
  /// `gbps` 0: as fast as can be.
  explicit Bandwidth(double gbps) : bytes_per_s_(gbps * 1e9 / 8) {}

  /// Takes room for so many bytes, after all that was taken before; returns when they may begin to move.
  [[nodiscard]] Instant reserve(std::uint64_t bytes, Instant now);

 private:
  const double bytes_per_s_;
  std::mutex mutex_;
  Instant free_{};  ///< when all that was taken is through
};

/// Bytes of memory for what is ahead of readers, of all of a client together. Any thread.
class Buffers {
 public:
  explicit Buffers(std::uint64_t most) : left_(static_cast<std::int64_t>(most)) {}

  /// False when they are not there. Each reader has a piece that it does not ask for, so that none waits for another.
  [[nodiscard]] bool try_take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes) { left_ += static_cast<std::int64_t>(bytes); }

 private:
  std::atomic<std::int64_t> left_;
};

}  // namespace headrace::s3
