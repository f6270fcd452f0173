#pragma once

#include <cstddef>
#include <string>

#include "attempt/lru_cache.h"
#include "base/ids.h"

namespace headrace::attempt {

/// Small blobs loaded a moment ago, checked when they were, or saved: the children of a foreach all load the same few things of
/// their parent. A key stands for its bytes, so nothing here gets old. Bounded; belongs to the loop thread.
class BlobCache {
 public:
  static constexpr std::size_t kBlobBytesMax = 64 << 10;
  static constexpr std::size_t kBytesMax = 4 << 20;

  /// nullptr if it is not kept. Valid until the next `put`.
  [[nodiscard]] const std::string* get(const BlobKey& key) { return kept_.get(key); }
  /// Larger blobs than kBlobBytesMax are not kept.
  void put(const BlobKey& key, const std::string& bytes);
  [[nodiscard]] std::size_t bytes() const { return kept_.bytes(); }

 private:
  /// What an entry costs besides its bytes, about.
  static constexpr std::size_t kOverhead = 256;

  LruCache<BlobKey, std::string> kept_{kBytesMax};
};

}  // namespace headrace::attempt
