#include "store/aside_hasher.h"

#include <system_error>

#include "base/check.h"

namespace headrace::store {
namespace {

constexpr std::uint64_t kLast = std::uint64_t{1} << 63U;

}  // namespace

AsideHasher::AsideHasher(std::size_t slot_bytes) : slot_bytes_(slot_bytes) {
  HR_CHECK(slot_bytes > 0 && slot_bytes <= kSlotBytesMax);
}

AsideHasher::~AsideHasher() { end_thread(); }

std::span<char> AsideHasher::slot() {
  if (thread_.joinable()) {
    // The slot to be given was filled kSlots additions ago.
    for (auto hashed = hashed_.load(); hashed + kSlots <= count_; hashed = hashed_.load()) hashed_.wait(hashed);
  }
  std::string& slot = slots_[count_ % kSlots];
  if (slot.empty()) slot.resize(slot_bytes_);
  return slot;
}

std::string_view AsideHasher::add(std::size_t size) {
  const std::size_t at = count_ % kSlots;
  HR_CHECK(size <= slots_[at].size());
  const std::string_view bytes{slots_[at].data(), size};
  sizes_[at] = size;
  added_.store(++count_);
  if (thread_.joinable()) {
    added_.notify_one();
  } else if (count_ < 2 || size < kSlotBytesMax || !start_thread()) {
    hash_.update(bytes);
    hashed_.store(count_);
  }
  return bytes;
}

bool AsideHasher::start_thread() {
  try {
    thread_ = std::jthread{[this] { hash_added(); }};
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void AsideHasher::hash_added() {
  for (std::uint64_t next = hashed_.load();;) {
    const std::uint64_t added = added_.load();
    if (next < (added & ~kLast)) {
      const std::size_t at = next % kSlots;
      hash_.update({slots_[at].data(), sizes_[at]});
      hashed_.store(++next);
      hashed_.notify_one();
    } else if ((added & kLast) != 0) {
      return;
    } else {
      added_.wait(added);
    }
  }
}

void AsideHasher::end_thread() {
  if (!thread_.joinable()) return;
  added_.store(count_ | kLast);
  added_.notify_one();
  thread_.join();
}

std::string AsideHasher::finish_hex() {
  end_thread();
  return hash_.finish_hex();
}

}  // namespace headrace::store
