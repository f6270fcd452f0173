#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "codec/sha1.h"

namespace headrace::store {

/// Hashes bytes on a thread of its own while the caller compresses, inflates, writes or copies the same bytes: hashing is
/// the longest part of moving a large blob. The two meet only when one has nothing to do, not at every piece, so a busy
/// machine costs little. Small blobs start no thread, and where the system has none left the caller hashes. One user at a time.
class AsideHasher {
 public:
  static constexpr std::size_t kSlotBytesMax = 1 << 20;
  static constexpr std::size_t kSlots = 4;

  /// `slot_bytes` <= kSlotBytesMax; from two full slots of that maximum on a thread is worth it.
  explicit AsideHasher(std::size_t slot_bytes = kSlotBytesMax);
  ~AsideHasher();
  AsideHasher(const AsideHasher&) = delete;
  AsideHasher& operator=(const AsideHasher&) = delete;

  /// Where the next bytes go. Waits while all slots are still to be hashed.
  [[nodiscard]] std::span<char> slot();
  /// The first `size` bytes of `slot` are the next. They stay as they are until `slot` has been asked for once more.
  std::string_view add(std::size_t size);
  /// Of all bytes; 40 hex digits. Once, last.
  [[nodiscard]] std::string finish_hex();

 private:
  /// False if the system has no thread left.
  bool start_thread();
  void hash_added();
  void end_thread();

  const std::size_t slot_bytes_;
  std::array<std::string, kSlots> slots_;
  std::array<std::size_t, kSlots> sizes_{};
  codec::Sha1 hash_;
  std::uint64_t count_ = 0;                ///< of slots added
  std::atomic<std::uint64_t> added_{0};    ///< as seen by the thread; with kLast at the end
  std::atomic<std::uint64_t> hashed_{0};
  std::jthread thread_;
};

}  // namespace headrace::store
