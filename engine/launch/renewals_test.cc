#include "launch/renewals.h"

#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

TEST(Renewals, AreDueAfterAThirdOfTheLease) {
  Duration up = 100s;
  const loop::EventLoop loop([&up] { return up; });
  Renewals renewals(loop, 90s);
  up += 29s;
  EXPECT_FALSE(renewals.due());
  up += 1s;
  EXPECT_TRUE(renewals.due());
  renewals.renewed();
  EXPECT_FALSE(renewals.due());
}

TEST(Renewals, OfALongLeaseAreDueAfterFiveMinutes) {
  Duration up{0};
  const loop::EventLoop loop([&up] { return up; });
  const Renewals renewals(loop, 24h);
  up += 5min;
  EXPECT_TRUE(renewals.due());
}

TEST(Renewals, AreLookedForOftenSinceTimersDoNotSeeSleep) {
  Duration up{0};
  const loop::EventLoop loop([&up] { return up; });
  Renewals renewals(loop, 15min);
  const Instant before = loop.now();
  const Instant look = renewals.look();
  EXPECT_GE(look, before + 10s);
  EXPECT_LE(look, loop.now() + 10s);
  up += 1h;
  const Instant at_once = renewals.look();
  EXPECT_LE(at_once, loop.now());
}

}  // namespace
}  // namespace headrace::launch
