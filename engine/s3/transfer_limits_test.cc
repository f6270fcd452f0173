#include "s3/transfer_limits.h"

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

constexpr Instant at(Duration since) { return Instant{since}; }

TEST(Bandwidth, WhatIsMoreWaitsForWhatWasBefore) {
  Bandwidth megabyte_a_second{0.008};
  EXPECT_EQ(megabyte_a_second.reserve(2'000'000, at(10s)), at(10s));
  EXPECT_EQ(megabyte_a_second.reserve(500'000, at(10s)), at(12s));
  EXPECT_EQ(megabyte_a_second.reserve(0, at(11s)), at(12500ms));
  EXPECT_EQ(megabyte_a_second.reserve(1'000'000, at(20s)), at(20s));
  EXPECT_EQ(megabyte_a_second.reserve(1, at(20s)), at(21s));
}

TEST(Bandwidth, NoneIsNoLimit) {
  Bandwidth any{0};
  EXPECT_EQ(any.reserve(1'000'000'000'000, at(1s)), at(1s));
  EXPECT_EQ(any.reserve(1, at(1s)), at(1s));
}

TEST(Buffers, NoMoreThanThereAre) {
  Buffers buffers{10};
  EXPECT_TRUE(buffers.try_take(6));
  EXPECT_FALSE(buffers.try_take(5));
  EXPECT_TRUE(buffers.try_take(4));
  buffers.give_back(6);
  EXPECT_TRUE(buffers.try_take(5));
}

}  // namespace
}  // namespace headrace::s3
