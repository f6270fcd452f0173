#include "store/open_backend.h"

#include <gtest/gtest.h>

#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

TEST(OpenBackend, TheRootShowsTheType) {
  EXPECT_EQ(type_of_root("s3://bucket/prefix"), "s3");
  EXPECT_EQ(type_of_root("/home/ann/.metaflow"), "local");
}

TEST(OpenBackend, DirectoriesServeLocalAndSpin) {
  testing::TemporaryDirectory directory;
  for (const char* type : {"local", "spin", ""}) {
    auto backend = open_backend(type, directory.path() + "/.metaflow");
    ASSERT_TRUE(backend.ok()) << to_text(backend.error());
    ASSERT_TRUE((*backend)->put("a/b", type).ok());
    EXPECT_EQ(*(*backend)->get("a/b"), type);
  }
}

TEST(OpenBackend, WhatDoesNotFitIsRefusedAndNamed) {
  struct Wrong {
    const char* type;
    const char* root;
  };
  for (const Wrong& wrong : {Wrong{"local", "s3://b/p"}, Wrong{"local", ""}, Wrong{"s3", "/home/ann"}, Wrong{"gs", "gs://b/p"}}) {
    auto backend = open_backend(wrong.type, wrong.root);
    ASSERT_FALSE(backend.ok()) << wrong.type << " " << wrong.root;
    EXPECT_EQ(backend.error().kind, Kind::misuse);
    EXPECT_NE(backend.error().what.find(wrong.type), std::string::npos);
    EXPECT_FALSE(backend.error().next.empty());
  }
}

TEST(OpenBackend, AUrlNamesAFolderAndAnObject) {
  const auto local = place_of_url("local:///x/.metaflow/data/F/abc");
  ASSERT_TRUE(local.ok());
  EXPECT_EQ(local->folder, "/x/.metaflow/data/F");
  EXPECT_EQ(local->name, "abc");
  const auto s3 = place_of_url("s3://bucket/data/F/abc");
  ASSERT_TRUE(s3.ok());
  EXPECT_EQ(s3->folder, "s3://bucket/data/F");
  EXPECT_EQ(s3->name, "abc");
  for (const char* url : {"gs://b/x", "/x/abc", "local://", "s3://b/x/", ""}) EXPECT_FALSE(place_of_url(url).ok()) << url;
}

TEST(OpenBackend, AWaitingDatastoreHasMoreThreads) { EXPECT_GT(pool_threads("s3"), pool_threads("local")); }

}  // namespace
}  // namespace headrace::store
