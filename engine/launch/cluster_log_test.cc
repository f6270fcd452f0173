// The logs of pods, on their way to the terminal.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/testing/cluster_world.h"

namespace headrace::launch {
namespace {

using loop::Async;
using ::testing::ElementsAre;
using testing::framed;
using testing::kReport;
using testing::World;

TEST(ClusterLog, ALogThatBreaksGoesOnWithoutRepeating) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    world.cluster.write_log("ml", pod, framed(1, "a") + framed(2, "b"));
    co_await world.printed(2);
    world.cluster.break_logs("ml", pod);
    world.cluster.write_log("ml", pod, framed(3, "c"));
    co_await world.printed(3);
    world.cluster.break_logs("ml", pod);
    world.cluster.write_log("ml", pod, framed(4, "d"));
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  EXPECT_THAT(world.heard.lines, ElementsAre("o1 a", "o2 b", "o3 c", "o4 d"));
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->lines, 4u);
  EXPECT_EQ(world.cluster.log_streams(), 0u);
}

TEST(ClusterLog, ALogThatHasBrokenOftenStillComesSoon) {
  World world;
  std::optional<Result<PodEnd>> end;
  Duration longest{};
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    for (int line = 1; line <= 5; ++line) {
      const Instant written = world.loop.now();
      world.cluster.write_log("ml", pod, framed(line, "x"));
      co_await world.printed(static_cast<std::size_t>(line));
      longest = std::max<Duration>(longest, world.loop.now() - written);
      world.cluster.break_logs("ml", pod);
    }
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  EXPECT_EQ(world.heard.lines.size(), 5u);
  EXPECT_LT(longest, 2s) << "each break found a line more: they are not one failure after another";
}

TEST(ClusterLog, APodBeyondTheBoundOnLogStreamsIsDoneWhenItHasEnded) {
  constexpr std::size_t kPods = 257;  // The streams at once, and one.
  World world;
  std::vector<std::optional<Result<PodEnd>>> ends(kPods);
  Duration waited{};
  world.play([&]() -> Async<void> {
    for (std::size_t task = 0; task < kPods; ++task) world.loop.spawn(world.attempt(ends[task], static_cast<int>(task)));
    co_await world.placed(kPods);
    for (const std::string& pod : world.heard.pods) world.cluster.start("ml", pod);
    while (world.cluster.log_streams() < kPods - 1) co_await world.loop.yield();
    std::string last;
    for (const std::string& pod : world.heard.pods) {
      if (world.cluster.count("GET /api/v1/namespaces/ml/pods/" + pod + "/log") == 0) last = pod;
    }
    const Instant began = world.loop.now();
    world.cluster.write_log("ml", last, framed(1, "a") + framed(2, "b"));
    world.cluster.finish("ml", last, 0, "Completed", kReport);
    auto one_ended = [&] { return std::any_of(ends.begin(), ends.end(), [](const auto& end) { return end.has_value(); }); };
    co_await world.until(one_ended);
    waited = world.loop.now() - began;
    for (const std::string& pod : world.heard.pods) {
      if (pod != last) world.cluster.finish("ml", pod, 0, "Completed", "");
    }
    for (auto& end : ends) co_await world.ended(end);
  });
  EXPECT_THAT(world.heard.lines, ElementsAre("o1 a", "o2 b"));
  EXPECT_LT(waited, 5s) << "it waited for the end of another one's log";
}

TEST(ClusterLog, ALogIsNotReadOnBeforeThereIsRoomForItsLines) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    world.cluster.write_log("ml", pod, framed(1, "a"));
    co_await world.printed(1);
    world.heard.full = true;
    // One read was on its way.
    world.cluster.write_log("ml", pod, framed(2, "b"));
    co_await world.printed(2);
    world.cluster.write_log("ml", pod, framed(3, "c"));
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.settle();
    EXPECT_EQ(world.heard.lines.size(), 2u);
    EXPECT_FALSE(end.has_value());
    world.heard.full = false;
    world.heard.changed.notify();
    co_await world.ended(end);
  });
  EXPECT_THAT(world.heard.lines, ElementsAre("o1 a", "o2 b", "o3 c"));
}

TEST(ClusterLog, ALogOfWhichNothingComesIsLeftWhenItsPodIsGone) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    const std::function<bool()> reading = [&] { return world.cluster.log_streams() > 0; };
    co_await world.reached(reading);
    world.cluster.logs_hang = true;
    world.cluster.remove("/api/v1/namespaces/ml/pods/" + pod);
    co_await world.ended(end);
  });
  EXPECT_EQ(world.cluster.log_streams(), 0u);
}

}  // namespace
}  // namespace headrace::launch
