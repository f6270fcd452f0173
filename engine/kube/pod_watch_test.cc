#include "kube/pod_watch.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/testing/fake_cluster.h"

namespace headrace::kube {
namespace {

using codec::Json;
using loop::Async;
using loop::EventLoop;
using testing::FakeCluster;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ClientSettings quick_client() {
  ClientSettings settings;
  settings.backoff_min = 1ms;
  settings.backoff_max = 4ms;
  settings.budget = 5s;
  return settings;
}

PodWatchSettings quick() {
  PodWatchSettings settings;
  settings.backoff_min = 1ms;
  settings.backoff_max = 8ms;
  return settings;
}

struct World {
  explicit World(PodWatchSettings settings = quick(), ClientSettings client_settings = quick_client())
      : cluster(loop), client(std::move(Client::make(loop, cluster.access(), std::move(client_settings))).value()),
        watch(loop, *client, "ml", "run=1", settings) {}
  ~World() { EXPECT_EQ(cluster.malformed(), 0u); }

  void add(const std::string& name, const std::string& run = "1") {
    const Json container{{"name", "a"}, {"image", "b"}, {"command", {"c"}}, {"env", Json::array({{{"name", "d"}, {"value", "e"}}})},
                         {"resources", {{"limits", {{"memory", "1G"}}}}}};
    cluster.put("pods", "ml", {{"apiVersion", "v1"}, {"kind", "Pod"},
                               {"metadata", {{"name", name}, {"labels", {{"run", run}}}, {"managedFields", Json::array({1, 2})}}},
                               {"spec", {{"containers", Json::array({container})}}}, {"status", {{"phase", "Pending"}}}});
  }
  void start() {
    const auto started = loop.block_on(watch.start());
    ASSERT_TRUE(started.ok()) << to_text(started.error());
  }
  /// Until `wanted` holds; fails the test when it does not for long.
  void until(std::function<bool()> wanted) {
    const bool held = loop.block_on([](World& w, std::function<bool()> holds) -> Async<bool> {
      const Instant deadline = w.loop.now() + 60s;
      while (!holds() && w.loop.now() < deadline) co_await w.loop.sleep_for(1ms);
      co_return holds();
    }(*this, std::move(wanted)));
    ASSERT_TRUE(held);
  }
  std::string phase(const std::string& name) const {
    const Json* pod = watch.find(name);
    return pod == nullptr ? "" : (*pod)["status"].value("phase", "");
  }

  EventLoop loop;
  FakeCluster cluster;
  std::unique_ptr<Client> client;
  PodWatch watch;
};

TEST(PodWatch, KnowsWhatIsThereAndWhatChanges) {
  World world;
  world.add("a");
  world.add("other", "2");
  world.start();
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("a"));
  EXPECT_THAT(world.watch.names(), ElementsAre("a"));
  world.add("b");
  world.until([&] { return world.watch.size() == 2; });
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("b"));
  world.cluster.run("ml", "a");
  world.until([&] { return world.phase("a") == "Running"; });
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("a"));
  world.cluster.remove("pods", "ml", "a");
  world.until([&] { return world.watch.find("a") == nullptr; });
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("a"));
  EXPECT_THAT(world.watch.take_changed(), IsEmpty());
  EXPECT_EQ(world.watch.find("other"), nullptr);
  EXPECT_EQ(world.cluster.count("list pods"), 1u);
  EXPECT_EQ(world.cluster.count("watch pods"), 1u);
}

TEST(PodWatch, KeepsOnlyWhatIsNeededOfAPod) {
  World world;
  world.add("a");
  world.start();
  const Json& pod = *world.watch.find("a");
  EXPECT_FALSE(pod["metadata"].contains("managedFields"));
  EXPECT_FALSE(pod["spec"]["containers"][0].contains("env"));
  EXPECT_FALSE(pod["spec"]["containers"][0].contains("command"));
  EXPECT_EQ(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], "1G");
}

TEST(PodWatch, ResumesWhereAWatchEnded) {
  World world;
  world.add("a");
  world.start();
  for (int i = 0; i < 3; ++i) {
    world.until([&] { return world.cluster.open_watches() == 1; });
    world.cluster.end_watches();
    world.add("b" + std::to_string(i));
    world.until([&] { return world.watch.find("b" + std::to_string(i)) != nullptr; });
  }
  EXPECT_EQ(world.cluster.count("list pods"), 1u);
}

TEST(PodWatch, ResumesAfterALostConnection) {
  World world;
  world.add("a");
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  (void)world.watch.take_changed();
  world.cluster.cut_connections();
  world.cluster.run("ml", "a");
  world.until([&] { return world.phase("a") == "Running"; });
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("a"));
  EXPECT_EQ(world.cluster.count("list pods"), 1u);
}

TEST(PodWatch, ListsAnewWhenItsPlaceIsGone) {
  World world;
  for (const char* name : {"a", "b", "c"}) world.add(name);
  world.start();
  (void)world.watch.take_changed();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.cluster.cut_connections();
  world.cluster.remove("pods", "ml", "a");
  world.cluster.run("ml", "b");
  world.add("d");
  world.cluster.forget_history();
  world.until([&] { return world.watch.find("d") != nullptr; });
  // What did not change is not told again.
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("b", "d", "a"));
  EXPECT_THAT(world.watch.names(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(world.watch.lists_made(), 2u);
  world.add("e");
  world.until([&] { return world.watch.find("e") != nullptr; });
}

TEST(PodWatch, ListsAnewWhenAnOpenWatchIsTold410) {
  World world;
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.cluster.forget_history();
  world.add("a");
  world.until([&] { return world.watch.find("a") != nullptr; });
  EXPECT_EQ(world.watch.lists_made(), 2u);
  EXPECT_FALSE(world.watch.trouble());
}

TEST(PodWatch, APodOfTheSameNameIsAnother) {
  World world;
  world.add("a");
  world.start();
  (void)world.watch.take_changed();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.cluster.cut_connections();
  world.cluster.remove("pods", "ml", "a");
  world.add("a");
  world.cluster.forget_history();
  const std::string uid = (*world.cluster.find("pods", "ml", "a"))["metadata"]["uid"];
  world.until([&] { return (*world.watch.find("a"))["metadata"]["uid"] == uid; });
  EXPECT_THAT(world.watch.take_changed(), ElementsAre("a"));
}

TEST(PodWatch, BookmarksMoveItsPlace) {
  World world;
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.add("other", "2");  // Moves the version on, but is no event of ours.
  world.cluster.forget_history();
  // An ERROR comes now; with the bookmark before it, it would not have: see below.
  world.until([&] { return world.watch.lists_made() == 2 && world.cluster.open_watches() == 1; });
  world.add("other-2", "2");
  world.cluster.bookmark();
  world.add("a");
  world.until([&] { return world.watch.find("a") != nullptr; });
  world.cluster.end_watches();
  world.until([&] { return world.watch.watches_opened() == 3 && world.cluster.open_watches() == 1; });
  EXPECT_EQ(world.watch.lists_made(), 2u);
}

TEST(PodWatch, NoticesAServerThatVanished) {
  PodWatchSettings settings = quick();
  settings.silence_max = 30ms;
  World world(settings);
  world.add("a");
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.cluster.vanish(true);
  world.until([&] { return world.watch.trouble().has_value(); });
  EXPECT_EQ(world.watch.trouble()->error.kind, Kind::retry);
  EXPECT_EQ(world.phase("a"), "Pending");  // As last heard.
  world.cluster.vanish(false);
  world.cluster.run("ml", "a");
  world.until([&] { return world.phase("a") == "Running" && !world.watch.trouble(); });
}

TEST(PodWatch, SaysWhenARightIsLost) {
  World world;
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.cluster.forbid("watch", "pods");
  world.cluster.end_watches();
  world.until([&] { return world.watch.trouble().has_value(); });
  EXPECT_EQ(world.watch.trouble()->error.kind, Kind::denied);
  EXPECT_THAT(world.watch.trouble()->error.what, HasSubstr("cannot watch pods"));
  world.cluster.allow_all();
  world.add("a");
  world.until([&] { return world.watch.find("a") != nullptr && !world.watch.trouble(); });
}

TEST(PodWatch, DoesNotStartWithoutTheRight) {
  World world;
  world.cluster.forbid("list", "pods");
  const auto started = world.loop.block_on(world.watch.start());
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().kind, Kind::denied);
  world.cluster.allow_all();
  world.start();
}

TEST(PodWatch, DoesNotAskInACircle) {
  PodWatchSettings settings = quick();
  settings.backoff_min = 20ms;
  settings.backoff_max = 20ms;
  World world(settings);
  world.start();
  // A server that ends each watch at once.
  const Instant began = world.loop.now();
  world.loop.spawn([](World& w, Instant end) -> Async<void> {
    while (w.loop.now() < end) {
      w.cluster.end_watches();
      co_await w.loop.yield();
    }
  }(world, began + 100ms));
  world.until([&] { return world.loop.now() > began + 100ms; });
  EXPECT_LE(world.watch.watches_opened(), 15u);
}

/// Lists nothing, and opens watches that say at once that something is wrong with the server.
class BrokenServer final : public Client {
 public:
  explicit BrokenServer(EventLoop& loop) : loop_(loop) {}
  Async<Result<Answer>> call(Call) override { co_return Answer{.status = 200, .body = Json::object()}; }
  Async<Result<Json>> call_ok(Call) override { co_return Json::object(); }
  Async<Result<Listing>> list(Call) override { co_return Listing{.items = {}, .resource_version = "1"}; }
  Async<Result<std::unique_ptr<LogStream>>> follow_log(std::string, std::string, LogOptions) override { co_return Error{}; }
  Async<Result<std::unique_ptr<WatchStream>>> open_watch(Call, Duration) override {
    co_await loop_.yield();
    co_return std::unique_ptr<WatchStream>(std::make_unique<Stream>());
  }
  void close() override {}
  const Access& access() const override { return access_; }
  const ClientSettings& settings() const override { return settings_; }
  std::size_t requests_sent() const override { return 0; }

 private:
  struct Stream final : WatchStream {
    Async<Result<std::optional<Json>>> next() override {
      std::optional<Json> event = Json{{"type", "ERROR"}, {"object", {{"code", 500}, {"message", "etcdserver: no leader"}}}};
      co_return event;
    }
    void close() override {}
  };
  EventLoop& loop_;
  Access access_;
  ClientSettings settings_;
};

TEST(PodWatch, AServerThatEndsEachWatchWithAnErrorIsAskedLessAndLess) {
  EventLoop loop;
  BrokenServer server(loop);
  PodWatchSettings settings = quick();
  settings.backoff_max = 10s;
  PodWatch watch(loop, server, "ml", "run=1", settings);
  ASSERT_TRUE(loop.block_on(watch.start()).ok());
  loop.block_on(loop.sleep_for(500ms));
  EXPECT_LE(watch.watches_opened(), 12u);
  ASSERT_TRUE(watch.trouble());
  EXPECT_THAT(watch.trouble()->error.why, HasSubstr("no leader"));
  watch.stop();
  loop.block_on(loop.sleep_for(1ms));
}

TEST(PodWatch, StopEndsItsWatch) {
  World world;
  world.start();
  world.until([&] { return world.cluster.open_watches() == 1; });
  world.watch.stop();
  world.add("a");  // A server notices a lost reader when it writes.
  world.until([&] { return world.cluster.open_watches() == 0 || (world.add("b"), false); });
  EXPECT_EQ(world.watch.find("a"), nullptr);
  world.start();
  EXPECT_NE(world.watch.find("a"), nullptr);
}

TEST(PodWatch, ManyPodsComeInPagesAndAreEachToldOnce) {
  ClientSettings settings = quick_client();
  settings.page_items = 100;
  World world(quick(), settings);
  constexpr int kPods = 300;
  for (int i = 0; i < kPods; ++i) world.add("p" + std::to_string(i));
  world.start();
  EXPECT_EQ(world.watch.take_changed().size(), static_cast<std::size_t>(kPods));
  EXPECT_EQ(world.cluster.count("list pods"), 3u);
  for (int i = 0; i < kPods; ++i) world.cluster.set_status("ml", "p" + std::to_string(i), {{"phase", "Running"}});
  world.until([&] { return world.phase("p299") == "Running"; });
  EXPECT_EQ(world.watch.take_changed().size(), static_cast<std::size_t>(kPods));
}

}  // namespace
}  // namespace headrace::kube
