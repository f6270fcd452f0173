#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/ids.h"

namespace headrace::attempt {

/// Small blobs loaded a moment ago, checked when they were, or saved: the children of a foreach all load the same few things of
/// their parent. A key stands for its bytes, so nothing here gets old. Bounded; belongs to the loop thread.
class BlobCache {
 public:
  static constexpr std::size_t kBlobBytesMax = 64 << 10;
  static constexpr std::size_t kBytesMax = 4 << 20;

  /// nullptr if it is not kept. Valid until the next `put`.
  [[nodiscard]] const std::string* get(const BlobKey& key);
  /// Larger blobs than kBlobBytesMax are not kept.
  void put(const BlobKey& key, const std::string& bytes);
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    BlobKey key;
    std::string bytes;
  };
  /// What an entry costs besides its bytes, about.
  static constexpr std::size_t kOverhead = 256;

  std::list<Entry> order_;  ///< newest first
  std::unordered_map<BlobKey, std::list<Entry>::iterator> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace headrace::attempt
