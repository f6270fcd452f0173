#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "sim/world.h"

namespace headrace::sim {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// HEADRACE_SIM_SEEDS worlds (nightly: many), from HEADRACE_SIM_FIRST on.
TEST(SchedulerSim, NoInvariantBreaksInAnyWorld) {
  const std::uint64_t first = number_from("HEADRACE_SIM_FIRST", 1);
  const std::uint64_t count = number_from("HEADRACE_SIM_SEEDS", 4000);
  std::map<sched::FinishRun::End, int> ends;
  std::uint64_t events = 0;
  std::uint64_t clones = 0;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < 5; ++seed) {
    World world(seed);
    if (const auto broken = world.play()) {
      ADD_FAILURE() << *broken << "\n  " << replay_command(seed);
      ++failures;
    }
    for (const auto& [end, times] : world.ends()) ends[end] += times;
    events += world.events();
    clones += world.clones();
  }
  RecordProperty("events", std::to_string(events));
  if (count < 1000) return;
  // The worlds must be rich enough to mean something.
  EXPECT_GT(ends[sched::FinishRun::End::successful], static_cast<int>(count) / 2);
  EXPECT_GT(ends[sched::FinishRun::End::failed], static_cast<int>(count) / 20);
  EXPECT_GT(ends[sched::FinishRun::End::interrupted], static_cast<int>(count) / 50);
  EXPECT_GT(clones, count);
}

TEST(SchedulerSim, ASeedIsAlwaysTheSameWorld) {
  const auto log_of = [](std::uint64_t seed) {
    World world(seed);
    world.keep_log();
    EXPECT_EQ(world.play(), std::nullopt);
    return world.log();
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(log_of(seed), log_of(seed)) << replay_command(seed);
}

}  // namespace
}  // namespace headrace::sim
