#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_set>

namespace headrace::store {

/// Keys of blobs that this process has put into a datastore, or found there: blobs stay, so they need not be sent again. Most
/// tasks of a run save the same few values. Bounded; any thread.
class KnownBlobs {
 public:
  static constexpr std::size_t kKeysMax = 1 << 16;

  [[nodiscard]] bool contains(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    return keys_.contains(key);
  }
  /// When there are too many, all that were known before are forgotten.
  void add(const std::string& key) {
    const std::lock_guard lock{mutex_};
    if (keys_.size() >= kKeysMax) keys_.clear();
    keys_.insert(key);
  }
  void remove(const std::string& key) {
    const std::lock_guard lock{mutex_};
    keys_.erase(key);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::string> keys_;
};

}  // namespace headrace::store
