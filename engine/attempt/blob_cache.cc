#include "attempt/blob_cache.h"

namespace headrace::attempt {

const std::string* BlobCache::get(const BlobKey& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return &found->second->bytes;
}

void BlobCache::put(const BlobKey& key, const std::string& bytes) {
  if (bytes.size() > kBlobBytesMax || get(key)) return;
  order_.push_front(Entry{.key = key, .bytes = bytes});
  entries_.emplace(key, order_.begin());
  bytes_ += bytes.size() + kOverhead;
  while (bytes_ > kBytesMax) {
    bytes_ -= order_.back().bytes.size() + kOverhead;
    entries_.erase(order_.back().key);
    order_.pop_back();
  }
}

}  // namespace headrace::attempt
