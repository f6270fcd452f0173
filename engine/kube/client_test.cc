#include "kube/client.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "kube/testing/fake_cluster.h"
#include "loop/task_group.h"

namespace headrace::kube {
namespace {

namespace fs = std::filesystem;
using codec::Json;
using loop::Async;
using loop::EventLoop;
using testing::FakeCluster;
using ::testing::HasSubstr;

ClientSettings quick() {
  ClientSettings settings;
  settings.backoff_min = 1ms;
  settings.backoff_max = 8ms;
  settings.budget = 10s;
  return settings;
}

struct World {
  explicit World(ClientSettings settings = quick()) : cluster(loop) { use(cluster.access(), std::move(settings)); }
  ~World() { EXPECT_EQ(cluster.malformed(), 0u); }
  void use(Access access, ClientSettings settings = quick()) {
    client = std::move(Client::make(loop, std::move(access), std::move(settings))).value();
  }
  Result<Answer> call(Call made) { return loop.block_on(client->call(std::move(made))); }

  EventLoop loop;
  FakeCluster cluster;
  std::unique_ptr<Client> client;
};

Call pods(const std::string& method = "GET") {
  Call call;
  call.method = method;
  call.path = "/api/v1/namespaces/ml/pods";
  return call;
}

Call create(const std::string& name) {
  Call call = pods("POST");
  const Json container{{"name", "a"}, {"image", "b"}};
  call.body = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}, {"labels", {{"run", "1"}}}}},
               {"spec", {{"containers", Json::array({container})}}}};
  return call;
}

TEST(Client, CreatesReadsAndDeletes) {
  World world;
  ASSERT_EQ(world.call(create("p"))->status, 201);
  Call get = pods();
  get.path += "/p";
  EXPECT_EQ(world.call(get)->body["metadata"]["name"], "p");
  Call patch = get;
  patch.method = "PATCH";
  patch.content_type = kMergePatch;
  patch.body = {{"metadata", {{"labels", {{"more", "x"}}}}}};
  EXPECT_EQ(world.call(patch)->body["metadata"]["labels"]["more"], "x");
  Call remove = get;
  remove.method = "DELETE";
  EXPECT_TRUE(world.call(remove)->ok());
  const auto gone = world.call(get);
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->status, 404);
  EXPECT_EQ(gone->reason(), "NotFound");
}

TEST(Client, RepeatsWhatIsThrottledAndWhatFails) {
  World world;
  world.cluster.fail_next(2, {.status = 429, .retry_after = 0});
  world.cluster.fail_next(2, {.status = 503, .reason = "ServiceUnavailable"});
  world.cluster.fail_next(1, {.status = 500, .reason = "InternalError"});
  world.cluster.fail_next(2, {.status = 0});
  const auto answer = world.call(create("p"));
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(world.cluster.count("create pods"), 8u);
}

TEST(Client, WaitsAsLongAsItIsTold) {
  World world;
  world.cluster.fail_next(1, {.status = 429, .retry_after = 1});
  const Instant began = world.loop.now();
  EXPECT_TRUE(world.call(create("p"))->ok());
  EXPECT_GE(world.loop.now() - began, 1s);
}

TEST(Client, GivesTheAnswerWhenItsTimeIsOver) {
  World world;
  world.cluster.fail_next(1'000'000, {.status = 429, .message = "too many"});
  Call call = pods();
  call.deadline = 500ms;
  const auto answer = world.call(call);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 429);
  EXPECT_GT(world.cluster.requests(), 1u);
}

TEST(Client, ACreateWhoseAnswerWasLostIsAConflict) {
  World world;
  world.cluster.fail_next(1, {.status = 0, .carried_out = true});
  const auto answer = world.call(create("p"));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 409);
  EXPECT_EQ(answer->reason(), "AlreadyExists");
}

TEST(Client, RepeatsWhatLostTheRaceForAQuota) {
  World world;
  world.cluster.fail_next(2, {.status = 409, .reason = "Conflict", .message = "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified"});
  EXPECT_EQ(world.call(create("p"))->status, 201);
}

TEST(Client, DoesNotRepeatRefusals) {
  World world;
  world.cluster.forbid("create", "pods");
  const auto refused = world.loop.block_on(world.client->call_ok(create("p")));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, Kind::denied);
  EXPECT_THAT(refused.error().next, HasSubstr("`create` on `pods`"));
  EXPECT_EQ(world.cluster.requests(), 1u);
}

TEST(Client, SaysThatItWaits) {
  ClientSettings settings = quick();
  settings.backoff_min = settings.backoff_max = 4s;  // Longer than it waits in silence.
  std::vector<std::string> said;
  settings.on_waiting = [&said](const Error& why, Duration) { said.push_back(why.why); };
  World world(settings);
  world.cluster.fail_next(1'000'000, {.status = 503, .message = "etcd is down"});
  Call call = pods();
  call.deadline = 5s;
  world.loop.spawn([](World& w, Call c) -> Async<void> {
    (void)co_await w.client->call(std::move(c));
    w.loop.stop();
  }(world, call));
  world.loop.spawn([](World& w, std::vector<std::string>& lines) -> Async<void> {
    while (lines.empty()) co_await w.loop.sleep_for(1ms);
    w.client->close();
  }(world, said));
  world.loop.run();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_THAT(said[0], HasSubstr("etcd is down"));
}

TEST(Client, SaysWhatCannotBeReached) {
  World world;
  Access access = world.cluster.access();
  access.server = "http://127.0.0.1:1";
  world.use(access);
  Call call = pods();
  call.deadline = 30ms;
  const auto answer = world.call(call);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_EQ(answer.error().what, "127.0.0.1:1 cannot be reached");
  EXPECT_THAT(answer.error().where, HasSubstr("context `fake` of the test"));
  EXPECT_THAT(answer.error().next, HasSubstr("another context"));
}

TEST(Client, CloseEndsWhatWaits) {
  World world;
  world.cluster.fail_next(1'000'000, {.status = 429, .retry_after = 60});
  world.loop.post([&] { world.client->close(); });
  const auto answer = world.call(pods());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::missing);
}

TEST(Client, ListsPageByPage) {
  ClientSettings settings = quick();
  settings.page_items = 3;
  World world(settings);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(world.call(create("p" + std::to_string(i)))->ok());
  Call list = pods();
  list.query["labelSelector"] = "run=1";
  const auto listing = world.loop.block_on(world.client->list(list));
  ASSERT_TRUE(listing.ok()) << to_text(listing.error());
  EXPECT_EQ(listing->items.size(), 10u);
  EXPECT_EQ(world.cluster.count("list pods"), 4u);
  list.query["labelSelector"] = "run=2";
  EXPECT_TRUE(world.loop.block_on(world.client->list(list))->items.empty());
}

TEST(Client, AListThatExpiresBeginsAnew) {
  ClientSettings settings = quick();
  settings.page_items = 3;
  World world(settings);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(world.call(create("p" + std::to_string(i)))->ok());
  // Between the first two pages.
  world.loop.spawn([](World& w) -> Async<void> {
    while (w.cluster.count("list pods") == 0) co_await w.loop.yield();
    w.cluster.forget_history();
  }(world));
  const auto listing = world.loop.block_on(world.client->list(pods()));
  ASSERT_TRUE(listing.ok()) << to_text(listing.error());
  EXPECT_EQ(listing->items.size(), 7u);
}

std::string write_token(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/kube_client_token." + std::to_string(::getpid());
  std::ofstream(path) << text;
  return path;
}

TEST(Client, ReadsATokenFileAgainAfter401) {
  World world;
  Access access = world.cluster.access();
  access.token = Secret();
  access.token_file = write_token("let me in\n");
  world.use(access);
  ASSERT_TRUE(world.call(pods())->ok());
  world.cluster.set_token("another");
  EXPECT_EQ(world.call(pods())->status, 401);
  (void)write_token("another\n");
  EXPECT_TRUE(world.call(pods())->ok());
  fs::remove(access.token_file);
  EXPECT_TRUE(world.call(pods())->ok());  // The one that was read is still good.
}

TEST(Client, RunsItsPluginOnceAndAgainAfter401) {
  World world;
  const fs::path folder = fs::path(::testing::TempDir()) / ("client-plugin-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const fs::path program = folder / "login", runs = folder / "runs", token = folder / "token";
  std::ofstream(token) << "let me in";
  std::ofstream(program) << "#!/bin/sh\necho run >> " << runs.string() << "\nprintf '{\"kind\": \"ExecCredential\", \"apiVersion\": "
                         << "\"client.authentication.k8s.io/v1\", \"status\": {\"token\": \"%s\"}}' \"$(cat " << token.string() << ")\"\n";
  fs::permissions(program, fs::perms::owner_all);
  const auto run_count = [&] {
    std::ifstream file(runs);
    std::string line;
    int count = 0;
    while (std::getline(file, line)) ++count;
    return count;
  };
  Access access = world.cluster.access();
  access.token = Secret();
  access.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1", .command = program.string()};
  access.environment.variables = {{"PATH", "/usr/bin:/bin"}};
  world.use(access);
  loop::TaskGroup group(world.loop);
  for (int i = 0; i < 5; ++i) {
    group.spawn([](World& w) -> Async<void> {
      const auto answer = co_await w.client->call(pods());
      EXPECT_TRUE(answer.ok() && answer->ok());
    }(world));
  }
  world.loop.block_on(group.wait());
  EXPECT_EQ(run_count(), 1);
  world.cluster.set_token("new");
  std::ofstream(token) << "new";
  EXPECT_TRUE(world.call(pods())->ok());
  EXPECT_EQ(run_count(), 2);
  std::ofstream(token) << "wrong";
  world.cluster.set_token("newer");
  EXPECT_EQ(world.call(pods())->status, 401);
  EXPECT_EQ(run_count(), 3);
  fs::remove_all(folder);
}

TEST(Client, APluginThatHasWorkedIsAskedAgainWhenItFails) {
  World world;
  const fs::path folder = fs::path(::testing::TempDir()) / ("client-plugin-away-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const fs::path program = folder / "login", runs = folder / "runs";
  std::ofstream(program) << "#!/bin/sh\necho run >> " << runs.string() << "\ncase $(wc -l < " << runs.string()
                         << ") in 2|3) echo 'dial tcp: no route to host' >&2; exit 1;; esac\n"
                         << "printf '{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\", \"status\": "
                         << "{\"token\": \"let me in\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\"}}'\n";
  fs::permissions(program, fs::perms::owner_all);
  Access access = world.cluster.access();
  access.token = Secret();
  access.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1", .command = program.string()};
  access.environment.variables = {{"PATH", "/usr/bin:/bin"}};
  world.use(access);
  EXPECT_TRUE(world.call(pods())->ok());
  loop::TaskGroup group(world.loop);
  for (int i = 0; i < 20; ++i) {
    group.spawn([](World& w) -> Async<void> {
      const auto answer = co_await w.client->call(pods());
      EXPECT_TRUE(answer.ok() && answer->ok()) << (answer ? "" : to_text(answer.error()));
    }(world));
  }
  world.loop.block_on(group.wait());
  fs::remove_all(folder);
}

Async<std::string> read_all(LogStream& log) {
  std::string text;
  for (;;) {
    auto piece = co_await log.read();
    if (!piece) co_return text + "|" + std::string(to_string(piece.error().kind));
    if (piece->empty()) co_return text;
    text += *piece;
  }
}

TEST(Client, FollowsALog) {
  World world;
  ASSERT_TRUE(world.call(create("p"))->ok());
  const auto early = world.loop.block_on(world.client->follow_log("ml", "p", {}));
  ASSERT_FALSE(early.ok());
  EXPECT_EQ(early.error().kind, Kind::retry) << to_text(early.error());
  EXPECT_EQ(world.loop.block_on(world.client->follow_log("ml", "none", {})).error().kind, Kind::missing);
  world.cluster.run("ml", "p");
  world.cluster.log("ml", "p", "one\n");
  auto log = world.loop.block_on(world.client->follow_log("ml", "p", {}));
  ASSERT_TRUE(log.ok()) << to_text(log.error());
  EXPECT_EQ(world.loop.block_on((*log)->read()).value(), "one\n");
  world.loop.post([&] {
    world.cluster.log("ml", "p", "two\n");
    world.cluster.finish("ml", "p", 0);
  });
  EXPECT_EQ(world.loop.block_on(read_all(**log)), "two\n");
}

TEST(Client, ALogThatIsLostSaysSo) {
  World world;
  ASSERT_TRUE(world.call(create("p"))->ok());
  world.cluster.run("ml", "p");
  world.cluster.log("ml", "p", "one\n");
  auto log = world.loop.block_on(world.client->follow_log("ml", "p", {}));
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(world.loop.block_on((*log)->read()).value(), "one\n");
  world.loop.post([&] { world.cluster.cut_connections(); });
  EXPECT_EQ(world.loop.block_on(read_all(**log)), "|retry");
}

TEST(Client, IsRefusedWhatItsSettingsCannotBe) {
  EventLoop loop;
  Access access;
  access.server = "ftp://a";
  EXPECT_EQ(Client::make(loop, access).error().kind, Kind::misuse);
  access.server = "https://a";
  access.ca_pem = "nothing";
  EXPECT_THAT(Client::make(loop, access).error().what, HasSubstr("CA certificates cannot be read"));
}

}  // namespace
}  // namespace headrace::kube
