#include "cli/store_requests.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/sha1.h"
#include "store/blob_store.h"
#include "store/directory_backend.h"
#include "store/run_records.h"
#include "store/testing/temporary_directory.h"

namespace headrace::cli {
namespace {

using codec::Json;
using store::DirectoryBackend;

const WallTime kNow{std::chrono::microseconds{1795709449288783}};

class StoreRequestsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const store::RunIdentity run{.flow = FlowName{"F"}, .run = RunId{"1"}, .user = "ann", .tags = {}, .datastore_root = root_};
    ASSERT_TRUE(store::RunRecords::register_run(backend_, run, kNow).ok());
    store::RunRecords records{backend_, backend_, run};
    const AttemptPath attempt{{RunId{"1"}, StepName{"start"}, TaskId{"2"}}, 0};
    ASSERT_TRUE(records.begin(attempt, {}, kNow).ok());
    store::Manifest manifest;
    key_ = store::BlobStore{backend_, FlowName{"F"}}.put("pickle").value();
    manifest.set({.name = "x", .key = key_, .size = 6, .type = "<class 'str'>", .encoding = "pickle-v4"});
    ASSERT_TRUE(records.finish(attempt, manifest, true, {}, kNow).ok());
    ASSERT_TRUE(records.set_latest_run().ok());
  }

  StoreReply ask(Json request, const std::string& payload = "") {
    request["root"] = root_;
    request["meta"] = root_;
    auto reply = answer_store_request(request, payload, kNow, copies_);
    EXPECT_TRUE(reply.ok()) << to_text(reply.error());
    return reply ? *std::move(reply) : StoreReply{};
  }
  Error refused(Json request) {
    if (!request.contains("root")) request["root"] = root_;
    if (!request.contains("meta")) request["meta"] = root_;
    auto reply = answer_store_request(request, "", kNow, copies_);
    EXPECT_FALSE(reply.ok());
    return reply ? Error{} : reply.error();
  }

  store::testing::TemporaryDirectory directory_;
  std::string root_ = directory_.path() + "/.metaflow";
  DirectoryBackend backend_{root_};
  BlobKey key_;
  store::RunCopies copies_;
  const Json task_ = Json::array({"F", "1", "start", "2"});
};

TEST_F(StoreRequestsTest, Metadata) {
  const auto listed = [this](const Json& path) {
    return codec::parse_json(ask({{"op", "list"}, {"path", path}}).payload, "the payload").value();
  };
  EXPECT_EQ(listed({"F"})[0]["run_number"], "1");
  EXPECT_EQ(listed(Json::array())[0]["flow_id"], "F");
  EXPECT_EQ(listed({"None"}), Json::array());
  EXPECT_EQ(ask({{"op", "get"}, {"path", {"F", "1", "start", "2", "x"}}}).body["object"]["sha"], key_.str());
  EXPECT_EQ(ask({{"op", "task_metadata"}, {"path", task_}}).body["records"].size(), 6U);
  EXPECT_EQ(ask({{"op", "tags"}, {"path", {"F", "1"}}, {"add", {"a"}}, {"remove", Json::array()}}).body["object"]["tags"],
            Json::array({"a"}));
  EXPECT_EQ(refused({{"op", "get"}, {"path", {"F", "9"}}}).kind, Kind::missing);
  EXPECT_EQ(refused({{"op", "get"}, {"path", {"F", "1", "start", "2", "x"}}, {"attempt", 6}}).kind, Kind::missing);
}

TEST_F(StoreRequestsTest, TasksAndBlobs) {
  const StoreReply manifest = ask({{"op", "manifest"}, {"path", task_}});
  EXPECT_EQ(manifest.body["attempt"], 0);
  EXPECT_EQ(manifest.body["manifest"]["objects"]["x"], key_.str());
  EXPECT_EQ(ask({{"op", "attempts"}, {"path", task_}}).body["attempts"], (Json::array({Json{{"attempt", 0}, {"done", true}}})));
  EXPECT_EQ(ask({{"op", "latest_run"}, {"flow", "F"}}).body["run_id"], "1");
  EXPECT_TRUE(ask({{"op", "latest_run"}, {"flow", "Other"}}).body["run_id"].is_null());

  EXPECT_EQ(ask({{"op", "load"}, {"flow", "F"}, {"key", key_.str()}, {"size", 6}}).payload, "pickle");
  const StoreReply unknown_size = ask({{"op", "load"}, {"flow", "F"}, {"key", key_.str()}, {"size", -1}});
  ASSERT_NE(unknown_size.stream, nullptr);
  EXPECT_EQ(unknown_size.stream->read(100)->bytes, "pickle");
  const Error missing = refused({{"op", "load"}, {"flow", "F"}, {"key", std::string(40, 'a')}, {"name", "y"}, {"path", "1/start/2"}});
  EXPECT_EQ(missing.kind, Kind::missing);
  EXPECT_EQ(missing.what, "artifact `y` of 1/start/2 cannot be loaded");
}

TEST_F(StoreRequestsTest, APackageThatLooksCompressedIsGivenAsItIs) {
  const std::string package = codec::gzip("the files of a flow");
  const BlobKey key = store::BlobStore(backend_, FlowName{"F"}).put_raw(package).value();
  EXPECT_EQ(ask({{"op", "load"}, {"flow", "F"}, {"key", key.str()}, {"size", 100}, {"raw", true}}).payload, package);
  ASSERT_TRUE(backend_.remove("F/data/" + key.str().substr(0, 2) + "/" + key.str() + "_meta").ok());
  EXPECT_EQ(ask({{"op", "load"}, {"flow", "F"}, {"key", key.str()}, {"size", 100}, {"raw", true}}).payload, package);
}

TEST_F(StoreRequestsTest, IncludedFilesByUrlOrBelowTheRoot) {
  const std::string sha = codec::sha1_hex("file");
  ASSERT_TRUE(backend_.put("data/F/" + sha, codec::gzip("file")).ok());
  const Json below{{"op", "include"}, {"flow", "F"}, {"sha", sha}, {"size", 4}};
  EXPECT_EQ(ask(below).payload, "file");
  Json by_url = below;
  by_url["url"] = "local://" + root_ + "/data/F/" + sha;
  EXPECT_EQ(ask(by_url).payload, "file");
  by_url["url"] = "gs://bucket/" + sha;
  EXPECT_EQ(refused(by_url).kind, Kind::misuse);
  by_url["url"] = "local:///nowhere/" + sha;
  EXPECT_EQ(refused(by_url).kind, Kind::missing);
}

TEST_F(StoreRequestsTest, LogsAreMergedAndScrubbedOnlyWhenDone) {
  const Json log{{"op", "logs"}, {"path", task_}, {"attempt", 0}, {"stream", "stdout"}};
  EXPECT_EQ(ask(log).body["lines"], Json::array());
  std::ofstream{root_ + "/F/1/start/2/0.runtime_stdout.log"}
      << "[MFLOG|0|2026-01-02T03:04:05.678901Z|runtime|a]one\nunframed\n[MFLOG|0|2026-01-02T03:04:05.000000Z|runtime|b]two\n";
  const StoreReply lines = ask(log);
  EXPECT_EQ(lines.payload, "twooneunframed");
  EXPECT_EQ(lines.body["lines"], (Json::array({{"2026-01-02T03:04:05.000000", 3},
                                               {"2026-01-02T03:04:05.678901", 3},
                                               {"3000-01-01T00:00:00.000000", 8}})));
  Json other = log;
  other["op"] = "log_size";
  EXPECT_GT(ask(other).body["size"], 100);
  other["op"] = "scrub_logs";
  ASSERT_TRUE(backend_.put("F/1/start/2/1.attempt.json", "{}").ok());
  other["attempt"] = 1;
  EXPECT_EQ(refused(other).kind, Kind::misuse);
  other["attempt"] = 0;
  EXPECT_EQ(ask(other).body["scrubbed"], Json::array({"runtime"}));
  EXPECT_EQ(ask(log).payload, "[REDACTED runtime stdout]");
  other["stream"] = "stdin";
  EXPECT_EQ(refused(other).kind, Kind::misuse);
}

TEST_F(StoreRequestsTest, CardsArePutListedAndRead) {
  const std::string uuid(32, 'f');
  const auto request = [&](const char* op, const std::string& file) {
    return Json{{"op", op}, {"path", task_}, {"file", file}};
  };
  EXPECT_EQ(ask(request("put_card", "default-my_id-" + uuid + ".html"), "<html>").body["path"],
            "F/runs/1/steps/start/tasks/2/cards/default-my_id-" + uuid + ".html");
  ask(request("put_card", "blank-" + uuid + ".html"), "<p>");
  ask(request("put_card", "runtime/blank-" + uuid + ".data.json"), "{}");
  const Json cards = ask({{"op", "cards"}, {"path", task_}}).body["cards"];
  ASSERT_EQ(cards.size(), 2U);
  EXPECT_EQ(cards[0]["type"], "blank");
  EXPECT_TRUE(cards[0]["id"].is_null());
  EXPECT_EQ(cards[1]["id"], "my_id");
  EXPECT_EQ(cards[1]["hash"], uuid);
  EXPECT_EQ(cards[1]["size"], 6);
  EXPECT_EQ(ask(request("card", "runtime/blank-" + uuid + ".data.json")).payload, "{}");
  EXPECT_EQ(refused(request("card", "none.html")).kind, Kind::missing);
  EXPECT_EQ(refused(request("card", "../../../secret")).kind, Kind::misuse);
  EXPECT_EQ(refused(request("card", "runtime/../x")).kind, Kind::misuse);
}

TEST_F(StoreRequestsTest, WhatIsNoRequestIsRefused) {
  EXPECT_EQ(refused({{"op", "begin"}}).kind, Kind::misuse);
  EXPECT_FALSE(refused({{"path", task_}}).what.empty());
  EXPECT_FALSE(refused({{"op", "list"}, {"path", "F"}}).what.empty());
  EXPECT_EQ(refused({{"op", "list"}, {"path", Json::array()}, {"meta", ""}}).kind, Kind::misuse);
  EXPECT_EQ(refused({{"op", "manifest"}, {"path", {"F", "1", "..", "2"}}}).kind, Kind::misuse);
  EXPECT_EQ(refused({{"op", "tags"}, {"path", {"F"}}, {"add", Json::array()}, {"remove", Json::array()}}).kind, Kind::misuse);
}

}  // namespace
}  // namespace headrace::cli
