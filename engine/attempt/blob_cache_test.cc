#include "attempt/blob_cache.h"

#include <gtest/gtest.h>

namespace headrace::attempt {
namespace {

BlobKey key(int n) { return BlobKey(std::to_string(n)); }

TEST(BlobCache, GivesWhatWasPut) {
  BlobCache cache;
  EXPECT_EQ(cache.get(key(1)), nullptr);
  cache.put(key(1), "one");
  ASSERT_NE(cache.get(key(1)), nullptr);
  EXPECT_EQ(*cache.get(key(1)), "one");
}

TEST(BlobCache, StaysWithinItsBoundAndKeepsWhatIsUsed) {
  BlobCache cache;
  cache.put(key(0), std::string(BlobCache::kBlobBytesMax, 'x'));
  for (int n = 1; n < 1000; ++n) {
    cache.put(key(n), std::string(BlobCache::kBlobBytesMax, 'y'));
    ASSERT_NE(cache.get(key(0)), nullptr);
    ASSERT_LE(cache.bytes(), BlobCache::kBytesMax);
  }
  EXPECT_EQ(cache.get(key(1)), nullptr);
  EXPECT_NE(cache.get(key(999)), nullptr);
}

TEST(BlobCache, LargeBlobsAreNotKept) {
  BlobCache cache;
  cache.put(key(1), std::string(BlobCache::kBlobBytesMax + 1, 'x'));
  EXPECT_EQ(cache.get(key(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace headrace::attempt
