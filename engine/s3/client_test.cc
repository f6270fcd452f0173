#include "s3/client.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include "base/random.h"

namespace headrace::s3 {
namespace {

std::string noise(std::size_t size) {
  Random random{size + 7};
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t word = random.next();
    bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  return bytes;
}

std::string file_content(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

/// Needs an S3 server: METAFLOW_S3_ENDPOINT_URL, credentials, and HEADRACE_TEST_S3_ROOT=s3://bucket/prefix to write below.
class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("HEADRACE_TEST_S3_ROOT");
    if (root == nullptr || *root == '\0') GTEST_SKIP() << "no S3 server: HEADRACE_TEST_S3_ROOT is not set";
    auto settings = Settings::from_environment();
    ASSERT_TRUE(settings.ok()) << to_text(settings.error());
    auto made = Client::make(*settings);
    ASSERT_TRUE(made.ok()) << to_text(made.error());
    client_ = std::move(*made);
    auto address = parse_address(root);
    ASSERT_TRUE(address.ok());
    bucket_ = address->bucket;
    prefix_ = address->key + "/client-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
  }
  void TearDown() override {
    if (!client_) return;
    auto left = client_->list(bucket_, prefix_, "");
    ASSERT_TRUE(left.ok()) << to_text(left.error());
    for (const Listed& entry : *left) EXPECT_TRUE(client_->remove({.bucket = bucket_, .key = entry.key}).ok());
  }

  Address at(const std::string& name) { return {.bucket = bucket_, .key = prefix_ + name}; }

  std::unique_ptr<Client> client_;
  std::string bucket_;
  std::string prefix_;
};

TEST_F(ClientTest, WhatIsPutIsReadWithItsInfo) {
  const PutOptions options{.content_type = "text/plain", .metadata = {{"metaflow-user-attributes", R"({"a": 1})"}}, .if_none_match = false, .if_match = {}, .by_content = false};
  auto put = client_->put(at("a b/ü+x"), "hello world!", options);
  ASSERT_TRUE(put.ok()) << to_text(put.error());
  EXPECT_TRUE(put->written);
  auto object = client_->get(at("a b/ü+x"));
  ASSERT_TRUE(object.ok()) << to_text(object.error());
  EXPECT_EQ(object->bytes, "hello world!");
  EXPECT_EQ(object->info.size, 12U);
  EXPECT_EQ(object->info.content_type, "text/plain");
  EXPECT_EQ(object->info.metadata.at("metaflow-user-attributes"), R"({"a": 1})");
  EXPECT_EQ(object->info.etag, put->etag);
  auto info = client_->head(at("a b/ü+x"));
  ASSERT_TRUE(info.ok()) << to_text(info.error());
  ASSERT_TRUE(info->has_value());
  EXPECT_EQ((*info)->size, 12U);
  EXPECT_TRUE((*info)->last_modified.has_value());
}

TEST_F(ClientTest, RangesAreThoseAskedFor) {
  ASSERT_TRUE(client_->put(at("r"), "hello world!", {}).ok());
  struct Case {
    Range range;
    std::string bytes;
    std::uint64_t offset;
  };
  for (const Case& c : {Case{{.offset = 2, .length = 3, .suffix = false}, "llo", 2}, Case{{.offset = 2, .length = {}, .suffix = false}, "llo world!", 2},
                        Case{{.offset = 0, .length = 3, .suffix = true}, "ld!", 9}}) {
    auto object = client_->get(at("r"), c.range);
    ASSERT_TRUE(object.ok()) << to_text(object.error());
    EXPECT_EQ(object->bytes, c.bytes);
    EXPECT_EQ(object->offset, c.offset);
    EXPECT_EQ(object->info.size, 12U);
  }
  EXPECT_EQ(client_->get(at("r"), Range{.offset = 500, .length = 3, .suffix = false}).error().kind, Kind::misuse);
}

TEST_F(ClientTest, WhatIsMissingIsNamed) {
  auto object = client_->get(at("none"));
  ASSERT_FALSE(object.ok());
  EXPECT_EQ(object.error().kind, Kind::missing);
  EXPECT_NE(object.error().what.find(at("none").str()), std::string::npos);
  EXPECT_EQ(*client_->head(at("none")), std::nullopt);
  EXPECT_EQ(client_->open(at("none")).error().kind, Kind::missing);
  EXPECT_TRUE(client_->remove(at("none")).ok());
  const Address nowhere{.bucket = "headrace-no-such-bucket", .key = "x"};
  EXPECT_EQ(client_->get(nowhere).error().kind, Kind::missing);
  EXPECT_EQ(client_->put(nowhere, "x", {}).error().kind, Kind::missing);
  EXPECT_NE(to_text(client_->put(nowhere, "x", {}).error()).find("no such bucket"), std::string::npos);
}

TEST_F(ClientTest, ConditionsDecideWhetherItIsWritten) {
  const PutOptions only_new{.content_type = {}, .metadata = {}, .if_none_match = true, .if_match = {}, .by_content = false};
  auto first = client_->put(at("c"), "one", only_new);
  ASSERT_TRUE(first.ok()) << to_text(first.error());
  EXPECT_TRUE(first->written);
  EXPECT_FALSE(client_->put(at("c"), "two", only_new)->written);
  EXPECT_EQ(client_->get(at("c"))->bytes, "one");
  const PutOptions same{.content_type = {}, .metadata = {}, .if_none_match = false, .if_match = first->etag, .by_content = false};
  EXPECT_TRUE(client_->put(at("c"), "three", same)->written);
  EXPECT_FALSE(client_->put(at("c"), "four", same)->written);
  EXPECT_EQ(client_->get(at("c"))->bytes, "three");
}

TEST_F(ClientTest, ListsStopAtTheDelimiter) {
  for (const char* key : {"l/0.txt", "l/b/1.txt", "l/c/2.txt", "l/c/3 +ü.txt", "m"}) ASSERT_TRUE(client_->put(at(key), "x", {}).ok());
  auto level = client_->list(bucket_, prefix_ + "l/", "/");
  ASSERT_TRUE(level.ok()) << to_text(level.error());
  ASSERT_EQ(level->size(), 3U);
  EXPECT_EQ((*level)[0].key, prefix_ + "l/0.txt");
  EXPECT_EQ((*level)[0].size, 1U);
  EXPECT_EQ((*level)[1].key, prefix_ + "l/b/");
  EXPECT_TRUE((*level)[1].prefix);
  auto all = client_->list(bucket_, prefix_ + "l/", "");
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 4U);
  EXPECT_EQ((*all)[2].key, prefix_ + "l/c/2.txt");
  EXPECT_EQ((*all)[3].key, prefix_ + "l/c/3 +ü.txt");
}

TEST_F(ClientTest, LargeObjectsGoInPartsAndComeBack) {
  const std::string folder = ::testing::TempDir() + "s3-client-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{3} << 20, std::size_t{8} << 20, (std::size_t{40} << 20) + 13}) {
    SCOPED_TRACE(size);
    const std::string bytes = noise(size);
    std::ofstream{folder + "/up", std::ios::binary} << bytes;
    const PutOptions only_new{.content_type = {}, .metadata = {{"k", "v"}}, .if_none_match = true, .if_match = {}, .by_content = false};
    auto put = client_->put_file(at(std::to_string(size)), folder + "/up", only_new);
    ASSERT_TRUE(put.ok()) << to_text(put.error());
    EXPECT_TRUE(put->written);
    EXPECT_FALSE(client_->put_file(at(std::to_string(size)), folder + "/up", only_new)->written);

    auto info = client_->get_to_file(at(std::to_string(size)), folder + "/down", std::nullopt);
    ASSERT_TRUE(info.ok()) << to_text(info.error());
    EXPECT_EQ(info->size, size);
    EXPECT_EQ(info->metadata.at("k"), "v");
    EXPECT_TRUE(file_content(folder + "/down") == bytes);

    auto reader = client_->open(at(std::to_string(size)));
    ASSERT_TRUE(reader.ok()) << to_text(reader.error());
    EXPECT_EQ((*reader)->info().size, size);
    std::string found;
    std::string piece(300'001, '\0');
    for (;;) {
      auto n = (*reader)->read(piece);
      ASSERT_TRUE(n.ok()) << to_text(n.error());
      if (*n == 0) break;
      found.append(piece, 0, *n);
    }
    EXPECT_TRUE(found == bytes);
  }
  std::filesystem::remove_all(folder);
}

TEST_F(ClientTest, RangesOfAnySizeComeIntoFiles) {
  const std::string folder = ::testing::TempDir() + "s3-ranges-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string bytes = noise(20 << 20);
  ASSERT_TRUE(client_->put(at("ranges"), bytes, {}).ok());
  constexpr std::uint64_t kMiB = 1 << 20;
  const std::tuple<Range, std::uint64_t, std::uint64_t> cases[] = {
      {{.offset = 5, .length = kMiB, .suffix = false}, 5, kMiB},
      {{.offset = 5, .length = 3 * kMiB, .suffix = false}, 5, 3 * kMiB},
      {{.offset = kMiB + 1, .length = 18 * kMiB, .suffix = false}, kMiB + 1, 18 * kMiB},
      {{.offset = 15 * kMiB, .length = 99 * kMiB, .suffix = false}, 15 * kMiB, 5 * kMiB},
      {{.offset = 2 * kMiB, .length = {}, .suffix = false}, 2 * kMiB, 18 * kMiB},
      {{.offset = 0, .length = 12 * kMiB, .suffix = true}, 8 * kMiB, 12 * kMiB},
      {{.offset = 0, .length = 99 * kMiB, .suffix = true}, 0, 20 * kMiB},
  };
  for (const auto& [range, from, length] : cases) {
    SCOPED_TRACE(from);
    auto info = client_->get_to_file(at("ranges"), folder + "/part", range);
    ASSERT_TRUE(info.ok()) << to_text(info.error());
    EXPECT_EQ(info->size, bytes.size());
    EXPECT_TRUE(file_content(folder + "/part") == bytes.substr(from, length));
  }
  const Range outside{.offset = bytes.size(), .length = {}, .suffix = false};
  EXPECT_EQ(client_->get_to_file(at("ranges"), folder + "/part", outside).error().kind, Kind::misuse);
  std::filesystem::create_symlink("/dev/full", folder + "/full");
  auto full = client_->get_to_file(at("ranges"), folder + "/full", std::nullopt);
  ASSERT_FALSE(full.ok());
  EXPECT_NE(to_text(full.error()).find("No space left"), std::string::npos) << to_text(full.error());
  std::filesystem::remove_all(folder);
}

TEST_F(ClientTest, WhatIsInTheFileAlreadyGoesAndADeviceStays) {
  const std::string folder = ::testing::TempDir() + "s3-target-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(client_->put(at("short"), "hello", {}).ok());
  std::ofstream{folder + "/long"} << std::string(100, 'x');
  ASSERT_TRUE(client_->get_to_file(at("short"), folder + "/long", std::nullopt).ok());
  EXPECT_EQ(file_content(folder + "/long"), "hello");
  ASSERT_TRUE(client_->get_to_file(at("short"), folder + "/long", Range{.offset = 1, .length = 2, .suffix = false}).ok());
  EXPECT_EQ(file_content(folder + "/long"), "el");
  ASSERT_TRUE(client_->get_to_file(at("short"), folder + "/long", Range{.offset = 0, .length = 1, .suffix = true}).ok());
  EXPECT_EQ(file_content(folder + "/long"), "o");

  ASSERT_EQ(::mkfifo((folder + "/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(client_->get_to_file(at("short"), folder + "/fifo", std::nullopt).ok());
  EXPECT_TRUE(std::filesystem::exists(folder + "/fifo"));
  EXPECT_FALSE(client_->get_to_file(at("none"), folder + "/new", std::nullopt).ok());
  EXPECT_FALSE(std::filesystem::exists(folder + "/new"));
  const auto full = client_->get_to_file(at("short"), "/dev/full", std::nullopt);
  ASSERT_FALSE(full.ok());
  EXPECT_NE(to_text(full.error()).find("/dev/full"), std::string::npos) << to_text(full.error());
  std::filesystem::remove_all(folder);
}

TEST_F(ClientTest, WhatIsNoFileIsNotStored) {
  for (const char* path : {"/dev/null", "/proc/self/status", "/tmp"}) {
    const auto stored = client_->put_file(at("no-file"), path, {});
    ASSERT_FALSE(stored.ok()) << path;
    EXPECT_NE(to_text(stored.error()).find(path), std::string::npos) << to_text(stored.error());
  }
  EXPECT_EQ(*client_->head(at("no-file")), std::nullopt);
}

TEST_F(ClientTest, AReaderCanBeDroppedInTheMiddle) {
  const std::string bytes = noise(64 << 20);
  ASSERT_TRUE(client_->put(at("big"), bytes, {}).ok());
  for (int i = 0; i < 3; ++i) {
    auto reader = client_->open(at("big"));
    ASSERT_TRUE(reader.ok()) << to_text(reader.error());
    std::string piece(1000, '\0');
    auto n = (*reader)->read(piece);
    ASSERT_TRUE(n.ok());
    EXPECT_EQ(piece.substr(0, *n), bytes.substr(0, *n));
  }
}

TEST_F(ClientTest, ManyThreadsShareIt) {
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          const std::string name = "t/" + std::to_string(t) + "-" + std::to_string(i);
          const bool put = client_->put(at(name), name, {}).ok();
          const auto got = client_->get(at(name));
          right += put && got.ok() && got->bytes == name ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(right, 400);
  EXPECT_EQ(client_->list(bucket_, prefix_ + "t/", "")->size(), 400U);
}

TEST_F(ClientTest, AfterStopEverythingIsRefused) {
  client_->stop();
  auto object = client_->get(at("x"));
  ASSERT_FALSE(object.ok());
  EXPECT_NE(object.error().why.find("stop"), std::string::npos);
  EXPECT_FALSE(client_->open(at("x")).ok());
  client_.reset();
}

}  // namespace
}  // namespace headrace::s3
