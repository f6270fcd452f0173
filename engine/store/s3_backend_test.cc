#include "store/s3_backend.h"

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "store/blob_store.h"
#include "store/testing/backend_suite.h"
#include "store/testing/place.h"

namespace headrace::store {
namespace {

class S3BackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::has_s3()) GTEST_SKIP() << "no S3 server: HEADRACE_TEST_S3_ROOT is not set";
    place_.emplace(testing::Place::Kind::s3);
    backend_ = place_->open();
  }

  s3::Info info(const std::string& key) {
    auto found = place_->client().head(address(key));
    return found.ok() && found->has_value() ? **found : s3::Info{};
  }

  s3::Address address(const std::string& key) { return *s3::parse_address(place_->root() + "/" + key); }

  std::optional<testing::Place> place_;
  std::unique_ptr<Backend> backend_;
};

TEST_F(S3BackendTest, ObjectsReplaceAndKeep) { testing::expect_objects_replace_and_keep(*backend_); }
TEST_F(S3BackendTest, TreesAppearWhole) { testing::expect_trees_appear_whole(*backend_); }
TEST_F(S3BackendTest, StreamsPublishAtCommit) { testing::expect_streams_publish_at_commit(*backend_); }
TEST_F(S3BackendTest, OneOfManyWritersWins) { testing::expect_one_of_many_writers_wins(*backend_); }
TEST_F(S3BackendTest, UpdatesLoseNothing) { testing::expect_updates_lose_nothing(*backend_); }
TEST_F(S3BackendTest, BadKeysAreRefused) { testing::expect_bad_keys_are_refused(*backend_); }

TEST_F(S3BackendTest, ABlobIsSentOnceByAProcessUnlessItIsRemoved) {
  // Whether it was written is not known of a blob whose answer was lost: what is stored tells.
  ASSERT_TRUE(backend_->put_blob("F/data/ab/abc", "bytes", BlobForm::raw).ok());
  EXPECT_EQ(*backend_->get("F/data/ab/abc"), "bytes");
  ASSERT_FALSE(*backend_->put_blob("F/data/ab/abc", "bytes", BlobForm::raw));
  ASSERT_TRUE(place_->client().remove(address("F/data/ab/abc")).ok());  // by somebody else: not looked for again
  ASSERT_FALSE(*backend_->put_blob("F/data/ab/abc", "bytes", BlobForm::raw));
  EXPECT_FALSE(backend_->size("F/data/ab/abc")->has_value());
  ASSERT_TRUE(backend_->remove("F/data/ab/abc").ok());
  ASSERT_TRUE(backend_->put_blob("F/data/ab/abc", "bytes", BlobForm::raw).ok());
  EXPECT_EQ(*backend_->get("F/data/ab/abc"), "bytes");
}

TEST_F(S3BackendTest, BlobsCarryTheirFormAsMetadata) {
  BlobStore blobs{*backend_, FlowName{"F"}};
  const std::string pickled_true = "\x80\x04\x88.";
  auto key = blobs.put(pickled_true);
  ASSERT_TRUE(key.ok()) << to_text(key.error());
  EXPECT_EQ(*blobs.get(*key), pickled_true);
  EXPECT_EQ(*blobs.put(pickled_true), *key);
  const std::string place = "F/data/86/868436778cb011a1c6230bc12534683ab0b7f1c3";
  EXPECT_EQ(info(place).metadata.at("metaflow-user-attributes"), R"({"cas_raw": true, "cas_version": 1})");
  EXPECT_EQ(info(place).content_type, "binary/octet-stream");
  EXPECT_EQ(*backend_->size(place + "_meta"), std::nullopt);

  const std::string prose(300'000, 'x');
  auto compressed = blobs.put(prose);
  ASSERT_TRUE(compressed.ok());
  const std::string at = "F/data/" + compressed->str().substr(0, 2) + "/" + compressed->str();
  EXPECT_EQ(info(at).metadata.at("metaflow-user-attributes"), R"({"cas_raw": false, "cas_version": 1})");
  EXPECT_EQ(*codec::gunzip(*backend_->get(at)), prose);
  EXPECT_EQ(*blobs.get(*compressed), prose);

  ASSERT_TRUE(backend_->put("F/0.data.json", "{}").ok());
  EXPECT_TRUE(info("F/0.data.json").metadata.empty());
}

TEST_F(S3BackendTest, LargeBlobsStreamBothWays) {
  BlobStore blobs{*backend_, FlowName{"F"}};
  std::string bytes(40 << 20, '\0');
  std::uint64_t state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 56U);
  for (int i = 0; i < 2; ++i) {
    auto writer = blobs.writer();
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->append(bytes).ok());
    auto blob = (*writer)->commit();
    ASSERT_TRUE(blob.ok()) << to_text(blob.error());
    EXPECT_EQ(blob->size, bytes.size());
    EXPECT_TRUE(*blobs.get(blob->key) == bytes);
  }
}

TEST_F(S3BackendTest, WhatIsMissingIsNamedByItsUrl) {
  auto object = backend_->get("F/1/start/2/0.data.json");
  ASSERT_FALSE(object.ok());
  EXPECT_EQ(object.error().kind, Kind::missing);
  EXPECT_NE(to_text(object.error()).find(place_->root() + "/F/1/start/2/0.data.json"), std::string::npos) << to_text(object.error());
  BlobStore blobs{*backend_, FlowName{"F"}};
  auto blob = blobs.get(BlobKey{"868436778cb011a1c6230bc12534683ab0b7f1c3"}, {.name = "x", .path = "1/start/2"});
  ASSERT_FALSE(blob.ok());
  EXPECT_EQ(blob.error().kind, Kind::missing);
  EXPECT_NE(to_text(blob.error()).find(place_->root()), std::string::npos);
}

TEST_F(S3BackendTest, TheCheckLeavesNothingInTheWay) {
  ASSERT_TRUE(backend_->check().ok());
  ASSERT_TRUE(backend_->check().ok());
  EXPECT_TRUE(backend_->list("")->empty());
  EXPECT_EQ(backend_->location(""), place_->root());
  EXPECT_EQ(backend_->location("a/b"), place_->root() + "/a/b");
}

}  // namespace
}  // namespace headrace::store
