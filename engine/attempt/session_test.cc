#include "attempt/session.h"

#include <unistd.h>

#include <optional>

#include <gtest/gtest.h>

#include "loop/stream_socket.h"
#include "loop/unique_fd.h"
#include "store/reader.h"
#include "store/testing/place.h"
#include "wire/frame.h"

namespace headrace::attempt {
namespace {

using codec::Json;
using loop::Async;

TaskPath path(const char* step, const char* task) {
  return TaskPath{.run = RunId("1"), .step = StepName(step), .task = TaskId(task)};
}

/// A datastore with `_parameters/0`, and one attempt served from it.
struct World {
  explicit World(store::testing::Place::Kind kind) : place(kind) {
    facts.identity = {.flow = FlowName("F"), .run = RunId("1"), .user = "ann", .tags = {}, .system_tags = {}};
    facts.identity.datastore_root = place.root();
    facts.sys_version = "3.11 (test)";
    backend = place.open();
    records = std::make_unique<store::RunRecords>(*backend, *backend, facts.identity);
    blobs = std::make_unique<store::BlobStore>(*backend, facts.identity.flow);
    manifests = std::make_unique<ManifestCache>(pool, *backend, facts.identity.flow);
    store::Manifest parameters;
    auto key = blobs->put("the alpha");
    parameters.set(store::Artifact{.name = "alpha", .key = *key, .size = 9, .type = "<class 'int'>", .encoding = "pickle-v4"});
    auto stored = records->parameters(TaskId("0"), parameters, {}, loop.wall_now());
    EXPECT_TRUE(stored.ok());
  }

  Assignment assignment() const {
    return Assignment{.path = {.task = path("start", "1"), .attempt = 0},
                      .inputs = inputs,
                      .parameters = path("_parameters", "0")};
  }
  void serve(Workers* workers = nullptr) {
    Services services{.loop = loop, .pool = pool, .records = *records, .blobs = *blobs, .manifests = *manifests,
                      .small_blobs = small_blobs, .facts = facts};
    session = std::make_unique<Session>(services, assignment(), workers);
    auto pair = loop::make_datagram_pair();
    door = std::make_unique<loop::DatagramSocket>(loop, std::move(pair->second));
    loop.spawn(session->serve(loop::DatagramSocket(loop, std::move(pair->first))));
  }
  Async<std::unique_ptr<loop::StreamSocket>> connect() {
    auto pair = loop::make_stream_pair();
    std::vector<loop::UniqueFd> fds;
    fds.push_back(std::move(pair->first));
    std::string message = R"({"op": "connect", "pid": 1})";
    auto sent = co_await door->send(message, std::move(fds));
    EXPECT_TRUE(sent.ok());
    co_return std::make_unique<loop::StreamSocket>(loop, std::move(pair->second));
  }
  Async<wire::Frame> ask(loop::StreamSocket& channel, std::string json, std::string payload = "") {
    wire::Frame frame;
    frame.id = ++last_id;
    frame.body = Json::parse(json);
    frame.payload = std::move(payload);
    auto sent = co_await wire::write_frame(channel, std::move(frame));
    EXPECT_TRUE(sent.ok());
    auto answer = co_await wire::read_frame(channel, 1 << 30);
    EXPECT_TRUE(answer.ok());
    if (!answer) co_return wire::Frame();
    EXPECT_EQ(answer->id, last_id);
    co_return std::move(*answer);
  }
  bool exists(const std::string& key) const { return backend->size("F/1/" + key)->has_value(); }

  store::testing::Place place;
  std::vector<TaskPath> inputs{path("_parameters", "0")};
  loop::EventLoop loop;
  loop::WorkerPool pool{loop, 2};
  RunFacts facts;
  std::unique_ptr<store::Backend> backend;
  std::unique_ptr<store::RunRecords> records;
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<ManifestCache> manifests;
  BlobCache small_blobs;
  std::unique_ptr<Session> session;
  std::unique_ptr<loop::DatagramSocket> door;
  std::uint64_t last_id = 0;
};

using SessionTest = ::testing::TestWithParam<store::testing::Place::Kind>;
INSTANTIATE_TEST_SUITE_P(In, SessionTest, ::testing::ValuesIn(store::testing::kinds_of_places()), store::testing::name_of_kind);

TEST_P(SessionTest, BeginStoresThatTheAttemptHasBegunOnce) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    EXPECT_FALSE(world.exists("start/1/0.attempt.json"));
    auto channel = co_await world.connect();
    auto answer = co_await world.ask(*channel, R"({"op": "begin", "wire": 1})");
    EXPECT_EQ(answer.body["ok"], true);
    EXPECT_EQ(answer.body["step"], "start");
    EXPECT_EQ(answer.body["inputs"][0], "1/_parameters/0");
    EXPECT_TRUE(answer.body["manifest"]["objects"].contains("alpha"));
    EXPECT_TRUE(world.exists("start/1/0.attempt.json"));
    // A forked child asks again, through a channel of its own.
    auto other = co_await world.connect();
    auto again = co_await world.ask(*other, R"({"op": "begin", "wire": 1})");
    EXPECT_EQ(again.body["ok"], true);
    auto wrong = co_await world.ask(*other, R"({"op": "begin", "wire": 99})");
    EXPECT_EQ(wrong.body["ok"], false);
  };
  world.loop.block_on(body());
  int begun = 0;
  const auto records = world.backend->list("F/1/start/1/_meta");
  for (const auto& record : *records) begun += record.name.starts_with("sysmeta_attempt_") ? 1 : 0;
  EXPECT_EQ(begun, 1);
}

TEST_P(SessionTest, WhatATaskHasAskedForComesAheadToTheNext) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    auto first = co_await world.ask(*channel, R"({"op": "begin", "wire": 1})");
    EXPECT_TRUE(first.body["ahead"].empty());
    std::string key = first.body["manifest"]["objects"]["alpha"];
    auto loaded = co_await world.ask(*channel, R"({"op": "load", "key": ")" + key + R"(", "size": 9, "name": "alpha", "path": ""})");
    EXPECT_EQ(loaded.payload, "the alpha");
    auto other = co_await world.connect();
    auto next = co_await world.ask(*other, R"({"op": "begin", "wire": 1})");
    EXPECT_EQ(next.body["ahead"].size(), 1u);
    EXPECT_EQ(next.body["ahead"][0][0], key);
    EXPECT_EQ(next.payload, "the alpha");
  };
  world.loop.block_on(body());
}

TEST_P(SessionTest, LongManifestsComeInSeveralAnswers) {
  World world{GetParam()};
  world.inputs.clear();
  for (const char* task : {"1", "2", "3"}) {
    store::Manifest manifest;
    manifest.set({.name = "x", .key = *world.blobs->put("x"), .size = 1, .type = std::string(7 << 20, 't'), .encoding = "pickle-v4"});
    const std::vector<store::Object> records = {
        {"0.attempt.json", "{}"}, {"0.data.json", store::to_json(manifest)}, {"0.DONE.lock", "\"\""}};
    ASSERT_TRUE(world.backend->put_tree(std::string("F/1/work/") + task, records).ok());
    world.inputs.push_back(path("work", task));
  }
  world.serve();
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    auto first = co_await world.ask(*channel, R"({"op": "manifest", "input": 0, "count": 32})");
    EXPECT_EQ(first.body["manifests"].size(), 2u);
    auto others = co_await world.ask(*channel, R"({"op": "manifest", "input": 2, "count": 32})");
    EXPECT_EQ(others.body["manifests"].size(), 1u);
  };
  world.loop.block_on(body());
}

TEST_P(SessionTest, SavesLoadsAndCommits) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    co_await world.ask(*channel, R"({"op": "begin", "wire": 1})");
    auto saved = co_await world.ask(*channel, R"({"op": "save", "artifacts": [
        {"name": "x", "type": "<class 'str'>", "encoding": "pickle-v4", "size": 2},
        {"name": "_task_ok", "type": "<class 'bool'>", "encoding": "pickle-v4", "size": 3}]})", "abcde");
    EXPECT_EQ(saved.body["ok"], true);
    EXPECT_EQ(saved.body["keys"].size(), 2u);
    std::string load = R"({"op": "load", "key": ")" + saved.body["keys"][0].get<std::string>() +
                       R"(", "size": 2, "name": "x", "path": "1/start/1"})";
    auto loaded = co_await world.ask(*channel, load);
    EXPECT_EQ(loaded.payload, "ab");
    auto manifests = co_await world.ask(*channel, R"({"op": "manifest", "input": 0, "count": 32})");
    EXPECT_EQ(manifests.body["manifests"].size(), 1u);
    EXPECT_TRUE(manifests.body["manifests"][0]["objects"].contains("alpha"));
    auto short_of = co_await world.ask(*channel, R"({"op": "finish", "ok": true, "inherit": [], "transition": null,
        "artifacts": [{"name": "y", "type": "t", "encoding": "pickle-v4", "size": 5}]})", "four");
    EXPECT_EQ(short_of.body["error"]["kind"], "misuse");
    auto finished = co_await world.ask(*channel, R"({"op": "finish", "ok": true,
        "artifacts": [{"name": "y", "type": "<class 'int'>", "encoding": "pickle-v4", "size": 4}],
        "inherit": [{"from": "parameters", "names": ["alpha"]}], "transition": {"next": ["work"], "splits": 3}})", "four");
    EXPECT_EQ(finished.body["ok"], true);
    auto late = co_await world.ask(*channel, R"({"op": "save", "artifacts": []})");
    EXPECT_EQ(late.body["error"]["kind"], "misuse");
    auto twice = co_await world.ask(*channel, R"({"op": "finish", "ok": true, "inherit": [], "transition": null})");
    EXPECT_EQ(twice.body["error"]["kind"], "misuse");
  };
  world.loop.block_on(body());
  ASSERT_TRUE(world.session->committed().has_value());
  EXPECT_TRUE(world.session->committed()->ok);
  EXPECT_EQ(world.session->committed()->next, std::vector<std::string>{"work"});
  EXPECT_EQ(world.session->committed()->splits, 3);
  EXPECT_TRUE(world.exists("start/1/0.DONE.lock"));
  auto manifest = store::manifest(*world.backend, FlowName("F"), path("start", "1"));
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->python_version, "3.11 (test)");
  ASSERT_NE(manifest->find("alpha"), nullptr);
  ASSERT_NE(manifest->find("x"), nullptr);
  EXPECT_EQ(manifest->find("x")->size, 2);
  ASSERT_NE(manifest->find("y"), nullptr);
  EXPECT_EQ(manifest->find("y")->size, 4);
}

TEST_P(SessionTest, LargeArtifactsTravelInPieces) {
  World world{GetParam()};
  world.serve();
  const std::string large(3 << 20, 'z');
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    co_await world.ask(*channel, R"({"op": "begin", "wire": 1})");
    auto opened = co_await world.ask(
        *channel, R"({"op": "save_open", "name": "big", "type": "<class 'bytes'>", "encoding": "pickle-v4"})");
    std::string stream = opened.body["stream"].dump();
    // The test is the process at the other end: its memory can be read in place.
    std::string write = R"({"op": "write", "stream": )" + stream + R"(, "length": )" + std::to_string(large.size()) +
                        R"(, "address": )" + std::to_string(reinterpret_cast<std::uintptr_t>(large.data())) + "}";
    auto written = co_await world.ask(*channel, write);
    EXPECT_EQ(written.body["ok"], true);
    auto closed = co_await world.ask(*channel, R"({"op": "save_close", "stream": )" + stream + "}");
    EXPECT_EQ(closed.body["size"], large.size());
    std::string key = closed.body["key"];
    std::string load = R"({"op": "load", "key": ")" + key + R"(", "size": 3145728, "name": "big", "path": "1/start/1"})";
    auto loading = co_await world.ask(*channel, load);
    std::string from = loading.body["stream"].dump();
    std::string got;
    while (true) {
      std::string read = R"({"op": "read", "stream": )" + from + R"(, "length": 1048576})";
      auto piece = co_await world.ask(*channel, read);
      EXPECT_EQ(piece.body["ok"], true);
      if (piece.payload.empty()) break;
      got += piece.payload;
    }
    EXPECT_TRUE(got == large);
  };
  world.loop.block_on(body());
}

TEST_P(SessionTest, ErrorsAreAnswers) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    for (const char* request : {
             R"({"op": "dance"})", R"({"op": "manifest", "input": 7})", R"({"op": "read", "stream": 3, "length": 1})",
             R"({"op": "save_close", "stream": 3})", R"({"op": "start_workers", "count": 2})",
             R"({"op": "load", "key": "../../etc/passwd", "size": 1, "name": "x", "path": ""})",
             R"({"op": "load", "key": "0123456789012345678901234567890123456789", "size": 1, "name": "x", "path": ""})",
             R"({"op": "save", "artifacts": [{"name": "x", "type": "t", "encoding": "e", "size": 18446744073709551615}]})"}) {
      auto answer = co_await world.ask(*channel, request);
      EXPECT_EQ(answer.body["ok"], false) << request;
      EXPECT_NE(answer.body["error"]["what"], "") << request;
    }
  };
  world.loop.block_on(body());
}

TEST_P(SessionTest, StopClosesEveryChannel) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    auto channel = co_await world.connect();
    co_await world.ask(*channel, R"({"op": "begin", "wire": 1})");
    world.session->stop();
    auto answer = co_await wire::read_frame(*channel, 1 << 20);
    EXPECT_FALSE(answer.ok());
  };
  world.loop.block_on(body());
}

TEST_P(SessionTest, ADeadProcessIsRecordedAsBegun) {
  World world{GetParam()};
  world.serve();
  auto body = [&]() -> Async<void> {
    auto begun = co_await world.session->ensure_begun();
    EXPECT_TRUE(begun.ok());
  };
  world.loop.block_on(body());
  EXPECT_TRUE(world.exists("start/1/0.attempt.json"));
  EXPECT_TRUE(world.exists("start/1/0.task_begin"));
  EXPECT_FALSE(world.exists("start/1/0.data.json"));
}

}  // namespace
}  // namespace headrace::attempt
