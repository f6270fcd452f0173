#include "attempt/manifest_cache.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "loop/event_loop.h"
#include "store/directory_backend.h"

namespace headrace::attempt {
namespace {

/// A cache above a folder where nothing is stored: what it gives, it has kept.
class ManifestCacheTest : public ::testing::Test {
 protected:
  ManifestCacheTest() : folder_(::testing::TempDir() + "manifest-cache-XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    backend_ = std::make_unique<store::DirectoryBackend>(folder_);
    cache_ = std::make_unique<ManifestCache>(pool_, *backend_, FlowName("F"));
  }
  ~ManifestCacheTest() override { std::filesystem::remove_all(folder_); }

  static TaskPath task(int number) { return {.run = RunId("1"), .step = StepName("work"), .task = TaskId(std::to_string(number))}; }
  static ManifestPtr manifest(int number, std::size_t artifacts) {
    auto made = std::make_shared<CachedManifest>();
    made->manifest.attempt = number;
    for (std::size_t i = 0; i < artifacts; ++i) {
      made->manifest.artifacts.push_back({.name = "artifact_" + std::to_string(i), .key = BlobKey(std::string(40, 'k')), .size = 9,
                                          .type = "<class 'int'>", .encoding = "pickle-v4"});
    }
    return made;
  }
  Result<ManifestPtr> get(int number) { return loop_.block_on(cache_->get(task(number))); }

  std::string folder_;
  loop::EventLoop loop_;
  loop::WorkerPool pool_{loop_, 2};
  std::unique_ptr<store::DirectoryBackend> backend_;
  std::unique_ptr<ManifestCache> cache_;
};

TEST_F(ManifestCacheTest, AJoinOfAThousandReadsNone) {
  std::vector<TaskPath> inputs;
  for (int number = 0; number < 1000; ++number) {
    cache_->put(task(number), manifest(number, 12));
    inputs.push_back(task(number));
  }
  const auto all = loop_.block_on(cache_->get_all(inputs));
  ASSERT_TRUE(all.ok()) << to_text(all.error());
  for (int number = 0; number < 1000; ++number) EXPECT_EQ((*all)[static_cast<std::size_t>(number)]->manifest.attempt, number);
}

TEST_F(ManifestCacheTest, StaysWithinItsBoundAndKeepsWhatIsUsed) {
  cache_->put(task(0), manifest(7, 100));
  for (int number = 1; number < 1000; ++number) {
    cache_->put(task(number), manifest(number, 100));
    EXPECT_TRUE(get(0).ok()) << number;
    ASSERT_LE(cache_->bytes(), ManifestCache::kBytesMax);
  }
  EXPECT_TRUE(get(999).ok());
  EXPECT_EQ(get(1).error().kind, Kind::missing) << "the oldest goes";
}

TEST_F(ManifestCacheTest, ANewerOneOfATaskTakesThePlaceOfTheOld) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    cache_->put(task(1), manifest(attempt, 10));
    EXPECT_EQ((*get(1))->manifest.attempt, attempt);
  }
  const std::size_t one = cache_->bytes();
  cache_->put(task(2), manifest(0, 10));
  EXPECT_EQ(cache_->bytes(), 2 * one);
}

TEST_F(ManifestCacheTest, OneThatIsLargerThanTheBoundIsKeptAlone) {
  cache_->put(task(1), manifest(0, 10));
  cache_->put(task(2), manifest(0, 100'000));
  EXPECT_TRUE(get(2).ok());
  EXPECT_FALSE(get(1).ok());
}

}  // namespace
}  // namespace headrace::attempt
