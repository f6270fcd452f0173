// A watch through hours of bad luck: pods come, change and go while the server throttles, cuts, forgets and ends watches.
// Whatever happened, once it is over the cache must be what the server holds, and each difference must have been told.
#include <gtest/gtest.h>

#include "base/random.h"
#include "kube/pod_watch.h"
#include "kube/testing/fake_cluster.h"

namespace headrace::kube {
namespace {

using codec::Json;
using loop::Async;
using loop::EventLoop;
using testing::FakeCluster;

constexpr int kSeeds = 20;
constexpr int kSteps = 120;
constexpr int kNames = 12;

struct World {
  explicit World(std::uint64_t seed)
      : random(seed), cluster(loop), client(make_client(seed)), watch(loop, *client, "ml", "run=1", watch_settings(seed)) {}

  std::unique_ptr<Client> make_client(std::uint64_t seed) {
    ClientSettings settings;
    settings.backoff_min = 100us;
    settings.backoff_max = 2ms;
    settings.page_items = 5;
    settings.seed = seed;
    return std::move(Client::make(loop, cluster.access(), settings)).value();
  }
  static PodWatchSettings watch_settings(std::uint64_t seed) {
    PodWatchSettings settings;
    settings.backoff_min = 100us;
    settings.backoff_max = 2ms;
    settings.silence_max = 50ms;
    settings.seed = seed;
    return settings;
  }

  void change_a_pod() {
    const std::string name = "p" + std::to_string(random.below(kNames));
    if (cluster.find("pods", "ml", name) == nullptr) {
      const Json container{{"name", "a"}, {"image", "b"}};
      cluster.put("pods", "ml", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}, {"labels", {{"run", random.chance(80) ? "1" : "2"}}}}},
                                 {"spec", {{"containers", Json::array({container})}}}, {"status", {{"phase", "Pending"}}}});
    } else if (random.chance(30)) {
      cluster.remove("pods", "ml", name);
    } else {
      cluster.set_status("ml", name, {{"phase", "Running"}, {"turn", random.below(1000)}});
    }
  }

  void bad_luck() {
    switch (random.below(9)) {
      case 0: return cluster.cut_connections();
      case 1: return cluster.end_watches();
      case 2: return cluster.forget_history();
      case 3: return cluster.bookmark();
      case 4: return cluster.fail_next(1 + random.below(4), {.status = 429, .retry_after = 0});
      case 5: return cluster.fail_next(1 + random.below(4), {.status = 503});
      case 6: return cluster.fail_next(1 + random.below(3), {.status = 0});
      case 7: return cluster.fail_next(1, {.status = 403, .reason = "Forbidden", .message = "for now"});
      default: return cluster.vanish(random.chance(30));
    }
  }

  /// What a reader of `take_changed` believes.
  void read_changes() {
    for (const std::string& name : watch.take_changed()) {
      const Json* pod = watch.find(name);
      if (pod == nullptr) {
        believed.erase(name);
      } else {
        believed[name] = (*pod)["metadata"]["resourceVersion"];
      }
    }
  }

  std::map<std::string, std::string> truth() const {
    std::map<std::string, std::string> held;
    for (const std::string& name : cluster.names("pods", "ml")) {
      const Json& pod = *cluster.find("pods", "ml", name);
      if (pod["metadata"]["labels"]["run"] == "1") held[name] = pod["metadata"]["resourceVersion"];
    }
    return held;
  }

  Async<void> live() {
    for (;;) {
      const auto started = co_await watch.start();
      if (started.ok()) break;
    }
    for (int step = 0; step < kSteps; ++step) {
      change_a_pod();
      if (random.chance(15)) bad_luck();
      if (random.chance(50)) read_changes();
      for (std::uint64_t turns = random.below(6); turns > 0; --turns) co_await loop.yield();
      if (random.chance(10)) co_await loop.sleep_for(1ms);
    }
    cluster.vanish(false);
    const Instant deadline = loop.now() + 20s;
    while (loop.now() < deadline) {
      read_changes();
      if (believed == truth() && !watch.trouble()) co_return;
      (void)co_await watch.changed().wait_until(loop.now() + 5ms);
    }
  }

  Random random;
  EventLoop loop;
  FakeCluster cluster;
  std::unique_ptr<Client> client;
  PodWatch watch;
  std::map<std::string, std::string> believed;
};

TEST(PodWatchSim, KnowsTheTruthAfterAnyTrouble) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.loop.block_on(world.live());
    ASSERT_EQ(world.believed, world.truth());
    ASSERT_EQ(world.cluster.malformed(), 0u);
    ASSERT_FALSE(world.watch.trouble()) << to_text(world.watch.trouble()->error);
  }
}

}  // namespace
}  // namespace headrace::kube
