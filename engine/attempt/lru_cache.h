#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace headrace::attempt {

/// What was used or put a moment ago, as much as takes no more than so many bytes together; what was not used for longest goes first.
/// The newest is kept however large it is. One thread at a time.
template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// nullptr if it is not kept. Valid until the next `put`.
  [[nodiscard]] const Value* get(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return &found->second->value;
  }
  /// The same, and it is no use of it.
  [[nodiscard]] const Value* peek(const Key& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second->value;
  }
  /// In the place of what `key` had. `bytes`: what it takes.
  void put(const Key& key, Value value, std::size_t bytes) {
    if (const auto found = entries_.find(key); found != entries_.end()) drop(found);
    order_.push_front({.key = key, .value = std::move(value), .bytes = bytes});
    entries_.emplace(key, order_.begin());
    bytes_ += bytes;
    while (bytes_ > bytes_max_ && order_.size() > 1) drop(entries_.find(order_.back().key));
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Key key;
    Value value;
    std::size_t bytes = 0;
  };
  using Order = std::list<Entry>;
  using Entries = std::map<Key, typename Order::iterator>;

  void drop(typename Entries::iterator at) {
    bytes_ -= at->second->bytes;
    order_.erase(at->second);
    entries_.erase(at);
  }

  const std::size_t bytes_max_;
  Order order_;  ///< newest first
  Entries entries_;
  std::size_t bytes_ = 0;
};

}  // namespace headrace::attempt
