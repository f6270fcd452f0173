#include "codec/sha1.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

TEST(Sha1, KnownValues) {
  EXPECT_EQ(sha1_hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Sha1, PiecesGiveTheSame) {
  Sha1 sha1;
  sha1.update("a");
  sha1.update("");
  Sha1 moved = std::move(sha1);
  moved.update("bc");
  EXPECT_EQ(moved.finish_hex(), sha1_hex("abc"));
}

TEST(Sha1, KnowsAKey) {
  EXPECT_TRUE(is_sha1_hex("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
  EXPECT_FALSE(is_sha1_hex("DA39a3ee5e6b4b0d3255bfef95601890afd80709"));
  EXPECT_FALSE(is_sha1_hex("da39a3ee5e6b4b0d3255bfef95601890afd8070"));
  EXPECT_FALSE(is_sha1_hex("../9a3ee5e6b4b0d3255bfef95601890afd80709"));
}

}  // namespace
}  // namespace headrace::codec
