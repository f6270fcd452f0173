#include "store/s3_backend.h"

#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "store/blob_store.h"
#include "store/testing/backend_suite.h"

namespace headrace::store {
namespace {

/// Needs an S3 server: METAFLOW_S3_ENDPOINT_URL, credentials, and HEADRACE_TEST_S3_ROOT=s3://bucket/prefix to write below.
class S3BackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("HEADRACE_TEST_S3_ROOT");
    if (root == nullptr || *root == '\0') GTEST_SKIP() << "no S3 server: HEADRACE_TEST_S3_ROOT is not set";
    auto settings = s3::Settings::from_environment();
    ASSERT_TRUE(settings.ok()) << to_text(settings.error());
    auto client = s3::Client::make(*settings);
    ASSERT_TRUE(client.ok()) << to_text(client.error());
    client_ = std::move(*client);
    root_ = std::string{root} + "/store-" + std::to_string(::getpid()) + "-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    auto backend = S3Backend::make(client_, root_ + "/");
    ASSERT_TRUE(backend.ok()) << to_text(backend.error());
    backend_ = std::move(*backend);
  }
  void TearDown() override {
    if (!backend_) return;
    const s3::Address place = *s3::parse_address(root_);
    auto left = client_->list(place.bucket, place.key + "/", "");
    ASSERT_TRUE(left.ok()) << to_text(left.error());
    for (const s3::Listed& entry : *left) EXPECT_TRUE(client_->remove({.bucket = place.bucket, .key = entry.key}).ok());
  }

  s3::Info info(const std::string& key) {
    s3::Address address = *s3::parse_address(root_ + "/" + key);
    auto found = client_->head(address);
    return found.ok() && found->has_value() ? **found : s3::Info{};
  }

  std::shared_ptr<s3::Client> client_;
  std::unique_ptr<S3Backend> backend_;
  std::string root_;
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
  const s3::Address place = *s3::parse_address(root_ + "/F/data/ab/abc");
  ASSERT_TRUE(client_->remove(place).ok());  // by somebody else: not looked for again
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
  EXPECT_NE(to_text(object.error()).find(root_ + "/F/1/start/2/0.data.json"), std::string::npos) << to_text(object.error());
  BlobStore blobs{*backend_, FlowName{"F"}};
  auto blob = blobs.get(BlobKey{"868436778cb011a1c6230bc12534683ab0b7f1c3"}, {.name = "x", .path = "1/start/2"});
  ASSERT_FALSE(blob.ok());
  EXPECT_EQ(blob.error().kind, Kind::missing);
  EXPECT_NE(to_text(blob.error()).find(root_), std::string::npos);
}

TEST_F(S3BackendTest, TheCheckLeavesNothingInTheWay) {
  ASSERT_TRUE(backend_->check().ok());
  ASSERT_TRUE(backend_->check().ok());
  EXPECT_TRUE(backend_->list("")->empty());
  EXPECT_EQ(backend_->location(""), root_);
  EXPECT_EQ(backend_->location("a/b"), root_ + "/a/b");
}

}  // namespace
}  // namespace headrace::store
