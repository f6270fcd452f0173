#include "cli/s3_transfers.h"

#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

#include "store/testing/temporary_directory.h"

namespace headrace::cli {
namespace {

using codec::Json;

/// A bucket in memory. Counts what is looked for; transfers of more than one part, and `stop`, are the real client's tests' matter.
class MemoryClient final : public s3::Client {
 public:
  Result<s3::Object> get(const s3::Address& address, const std::optional<s3::Range>&) override { return none(address); }
  Result<std::optional<s3::Info>> head(const s3::Address& address) override {
    const std::lock_guard lock{mutex};
    ++heads;
    const auto found = objects.find(address.key);
    if (found == objects.end()) return std::optional<s3::Info>{};
    return std::optional<s3::Info>{info_of(found->second)};
  }
  Result<s3::PutResult> put(const s3::Address& address, std::string_view bytes, const s3::PutOptions& options) override {
    const std::lock_guard lock{mutex};
    if (options.if_none_match && objects.contains(address.key)) return s3::PutResult{};
    objects[address.key] = {.bytes = std::string(bytes), .options = options};
    return s3::PutResult{.written = true, .etag = {}};
  }
  Result<void> remove(const s3::Address& address) override { return none(address); }
  Result<std::vector<s3::Listed>> list(const std::string&, const std::string& prefix, const std::string& delimiter) override {
    std::vector<s3::Listed> listed;
    for (const auto& [key, object] : objects) {
      if (!key.starts_with(prefix)) continue;
      const auto end = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      s3::Listed entry{.key = key.substr(0, end == std::string::npos ? end : end + 1)};
      entry.prefix = end != std::string::npos;
      entry.size = entry.prefix ? 0 : object.bytes.size();
      if (listed.empty() || listed.back().key != entry.key) listed.push_back(entry);
    }
    return listed;
  }
  Result<std::unique_ptr<s3::Reader>> open(const s3::Address& address) override { return none(address); }
  Result<s3::Info> get_to_file(const s3::Address& address, const std::string& path, const std::optional<s3::Range>& range) override {
    const std::lock_guard lock{mutex};
    const auto found = objects.find(address.key);
    if (found == objects.end()) return none(address);
    const std::string& bytes = found->second.bytes;
    if (range && !range->suffix && range->offset >= bytes.size()) return Error{.kind = Kind::misuse, .what = "the range is outside"};
    std::size_t from = range ? range->offset : 0;
    if (range && range->suffix) from = bytes.size() - std::min<std::size_t>(*range->length, bytes.size());
    std::ofstream(path) << bytes.substr(from, range ? range->length.value_or(std::string::npos) : std::string::npos);
    return info_of(found->second);
  }
  Result<s3::PutResult> put_file(const s3::Address& address, const std::string& path, const s3::PutOptions& options) override {
    std::ifstream in(path);
    return put(address, std::string(std::istreambuf_iterator<char>(in), {}), options);
  }
  void stop() override { ++stops; }
  [[nodiscard]] const s3::Settings& settings() const override { return settings_; }

  struct Kept {
    std::string bytes;
    s3::PutOptions options;
  };
  std::mutex mutex;
  std::map<std::string, Kept> objects;
  int heads = 0;
  int stops = 0;

 private:
  static Error none(const s3::Address& address) { return Error{.kind = Kind::missing, .what = "there is no `" + address.key + "`"}; }
  static s3::Info info_of(const Kept& kept) {
    s3::Info info;
    info.size = kept.bytes.size();
    info.content_type = kept.options.content_type;
    info.metadata = kept.options.metadata;
    return info;
  }
  s3::Settings settings_;
};

class S3TransfersTest : public ::testing::Test {
 protected:
  Result<StoreReply> answer(Json request, std::string payload = {}) {
    return loop_.block_on(transfers_.answer(std::move(request), std::move(payload), gone_));
  }
  Json results(Json request, std::string payload = {}) {
    auto reply = answer(std::move(request), std::move(payload));
    EXPECT_TRUE(reply.ok()) << to_text(reply.error());
    return reply ? Json::parse(reply->payload) : Json();
  }
  std::string text_of(const std::string& name) {
    std::ifstream in(folder_.path() + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Json item(const std::string& key, const std::string& file) { return {{"url", "s3://bucket/" + key}, {"path", folder_.path() + "/" + file}}; }
  void keep(const std::string& key, const std::string& bytes) { client_->objects[key].bytes = bytes; }

  loop::EventLoop loop_;
  store::testing::TemporaryDirectory folder_;
  std::shared_ptr<MemoryClient> client_ = std::make_shared<MemoryClient>();
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  int made_ = 0;
  int fail_ = 0;
  S3Transfers transfers_{loop_, [this]() -> Result<std::shared_ptr<s3::Client>> {
                           ++made_;
                           if (fail_-- > 0) return Error{.kind = Kind::misuse, .what = "not yet"};
                           return std::shared_ptr<s3::Client>{client_};
                         }, [this] { client_->stop(); }};
};

TEST_F(S3TransfersTest, KnowsItsRequests) {
  for (const char* op : {"s3_get", "s3_info", "s3_put", "s3_list"}) EXPECT_TRUE(S3Transfers::knows(op)) << op;
  EXPECT_FALSE(S3Transfers::knows("load"));
}

TEST_F(S3TransfersTest, ManyObjectsAreAnsweredInTheirOrder) {
  Json items = Json::array();
  for (int i = 0; i < 500; ++i) {
    keep("k" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
    items.push_back(item("k" + std::to_string(i), "f" + std::to_string(i)));
  }
  const Json told = results({{"op", "s3_get"}, {"items", items}});
  ASSERT_EQ(told.size(), 500U);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(told[i].at("length"), i);
    EXPECT_EQ(text_of("f" + std::to_string(i)).size(), i);
  }
}

TEST_F(S3TransfersTest, RangesTellWhereTheyAre) {
  keep("k", "0123456789");
  const auto with = [&](Json more) {
    Json one = item("k", "part");
    one.update(more);
    const Json told = results({{"op", "s3_get"}, {"items", {one}}});
    return std::to_string(told[0].at("offset").get<int>()) + "+" + std::to_string(told[0].at("length").get<int>()) + " " + text_of("part");
  };
  EXPECT_EQ(with({{"offset", 2}, {"length", 3}}), "2+3 234");
  EXPECT_EQ(with({{"offset", 8}, {"length", 30}}), "8+2 89");
  EXPECT_EQ(with({{"offset", 7}}), "7+3 789");
  EXPECT_EQ(with({{"length", -4}}), "6+4 6789");
  Json outside = item("k", "part");
  outside["offset"] = 10;
  const Json told = results({{"op", "s3_get"}, {"items", {outside}}});
  EXPECT_EQ(told[0].at("reason"), "range");
  Json empty = item("k", "part");
  empty.update({{"offset", 2}, {"length", 0}});
  EXPECT_EQ(results({{"op", "s3_get"}, {"items", {empty}}})[0].at("reason"), "range");
}

TEST_F(S3TransfersTest, WhatNobodyWaitsForDoesNotBegin) {
  keep("k", "x");
  *gone_ = true;
  EXPECT_TRUE(results({{"op", "s3_get"}, {"items", {item("k", "f")}}})[0].is_null());
  EXPECT_EQ(text_of("f"), "");
}

TEST_F(S3TransfersTest, WhenAllHaveLeftWhatIsOnItsWayIsEnded) {
  keep("k", "x");
  transfers_.asker_came();
  transfers_.asker_came();
  results({{"op", "s3_get"}, {"items", {item("k", "f")}}});
  transfers_.asker_left();
  transfers_.no_more_come();
  EXPECT_EQ(client_->stops, 0) << "one is still there";
  transfers_.asker_left();
  EXPECT_EQ(client_->stops, 1);
}

TEST_F(S3TransfersTest, AnErrorEndsTheWholeUnlessObjectsMayBeMissing) {
  Json items = Json::array({item("none", "f0")});
  for (int i = 1; i < 300; ++i) {
    keep("k" + std::to_string(i), "x");
    items.push_back(item("k" + std::to_string(i), "f" + std::to_string(i)));
  }
  const Json ended = results({{"op", "s3_get"}, {"items", items}});
  EXPECT_EQ(ended[0].at("error").at("kind"), "missing");
  EXPECT_TRUE(ended[299].is_null()) << "what had not begun was left out";
  const Json all = results({{"op", "s3_get"}, {"items", items}, {"missing_allowed", true}});
  EXPECT_EQ(all[0].at("error").at("kind"), "missing");
  EXPECT_EQ(all[299].at("length"), 1);
}

TEST_F(S3TransfersTest, PutTakesFilesAndPayload) {
  std::ofstream(folder_.path() + "/up") << "from a file";
  Json small{{"url", "s3://bucket/small"}, {"size", 5}, {"content_type", "text/plain"}, {"metadata", {{"a", "b"}}}};
  Json more{{"url", "s3://bucket/more"}, {"size", 3}};
  const Json request{{"op", "s3_put"}, {"items", {small, item("file", "up"), more}}};
  for (const Json& one : results(request, "firstSND")) EXPECT_EQ(one.at("written"), true);
  EXPECT_EQ(client_->objects["small"].bytes, "first");
  EXPECT_EQ(client_->objects["more"].bytes, "SND");
  EXPECT_EQ(client_->objects["file"].bytes, "from a file");
  const Json told = results({{"op", "s3_info"}, {"items", {{{"url", "s3://bucket/small"}}}}});
  EXPECT_EQ(told[0].at("content_type"), "text/plain");
  EXPECT_EQ(told[0].at("metadata").at("a"), "b");
  EXPECT_EQ(told[0].at("size"), 5);
  EXPECT_FALSE(answer(request, "first").ok()) << "the payload is too short";
}

TEST_F(S3TransfersTest, WithoutOverwritingWhatIsThereStaysAndLargeOnesAreLookedForFirst) {
  const auto put = [&](const std::string& key, const std::string& bytes) {
    const Json one{{"url", "s3://bucket/" + key}, {"size", bytes.size()}};
    return results({{"op", "s3_put"}, {"items", {one}}, {"overwrite", false}}, bytes)[0].at("written").get<bool>();
  };
  EXPECT_TRUE(put("k", "one"));
  EXPECT_FALSE(put("k", "two"));
  EXPECT_EQ(client_->objects["k"].bytes, "one");
  EXPECT_EQ(client_->heads, 0);
  EXPECT_FALSE(put("k", std::string(1 << 20, 'x')));
  EXPECT_EQ(client_->heads, 1);
}

TEST_F(S3TransfersTest, ListsShowPrefixesOrAllBelow) {
  keep("d/a", "1");
  keep("d/e/b", "22");
  keep("d/e/c", "333");
  const Json place{{"url", "s3://bucket/d/"}};
  EXPECT_EQ(results({{"op", "s3_list"}, {"items", {place}}})[0], Json::parse(R"([["d/a", 1], ["d/e/", null]])"));
  EXPECT_EQ(results({{"op", "s3_list"}, {"items", {place}}, {"recursive", true}})[0],
            Json::parse(R"([["d/a", 1], ["d/e/b", 2], ["d/e/c", 3]])"));
}

TEST_F(S3TransfersTest, TheClientIsMadeOnceItCanBe) {
  fail_ = 1;
  const Json request{{"op", "s3_info"}, {"items", Json::array()}};
  EXPECT_FALSE(answer(request).ok());
  EXPECT_TRUE(answer(request).ok());
  EXPECT_TRUE(answer(request).ok());
  EXPECT_EQ(made_, 2);
}

TEST_F(S3TransfersTest, RequestsThatMakeNoSenseAreRefused) {
  Json before = item("k", "f");
  before["offset"] = -1;
  EXPECT_EQ(answer({{"op", "s3_get"}, {"items", {before}}}).error().kind, Kind::misuse);
  EXPECT_FALSE(answer({{"op", "s3_get"}, {"items", {{{"url", "http://b/k"}}}}}).ok());
  EXPECT_FALSE(answer({{"op", "s3_get"}}).ok());
  EXPECT_EQ(made_, 0);
}

}  // namespace
}  // namespace headrace::cli
