#include "attempt/blob_cache.h"

namespace headrace::attempt {

void BlobCache::put(const BlobKey& key, const std::string& bytes) {
  if (bytes.size() > kBlobBytesMax || get(key) != nullptr) return;
  kept_.put(key, bytes, bytes.size() + kOverhead);
}

}  // namespace headrace::attempt
