#include "s3/pace.h"

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

constexpr Instant at(Duration since) { return Instant{since}; }

TEST(Pace, ThrottlingHalvesOnceForAllThatWereOnTheirWay) {
  Pace pace{2, 32};
  pace.note(true, at(1s), at(2s));
  EXPECT_EQ(pace.limit(), 16);
  pace.note(true, at(1s), at(3s));
  EXPECT_EQ(pace.limit(), 16);
  pace.note(true, at(2s), at(4s));
  EXPECT_EQ(pace.limit(), 8);
  for (int i = 5; i < 20; ++i) pace.note(true, at(1s * i), at(1s * i));
  EXPECT_EQ(pace.limit(), 2);
}

TEST(Pace, AnswersRaiseItSlowlyUpToTheMost) {
  Pace pace{2, 32};
  pace.note(true, at(1s), at(1s));
  for (int i = 0; i < 16; ++i) pace.note(false, at(2s), at(2s));
  EXPECT_EQ(pace.limit(), 17);
  for (int i = 0; i < 10'000; ++i) pace.note(false, at(2s), at(2s));
  EXPECT_EQ(pace.limit(), 32);
}

TEST(Pace, OnlySoManyAreInside) {
  Pace pace{1, 2};
  const Instant past = std::chrono::steady_clock::now() - 1s;
  EXPECT_TRUE(pace.enter(past));
  EXPECT_TRUE(pace.enter(past));
  EXPECT_FALSE(pace.enter(past));
  pace.leave();
  EXPECT_TRUE(pace.enter(past));
  pace.stop();
  pace.leave();
  EXPECT_FALSE(pace.enter(past));
}

}  // namespace
}  // namespace headrace::s3
