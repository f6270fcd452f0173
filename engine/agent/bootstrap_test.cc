#include "agent/bootstrap.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace headrace::agent {
namespace {

TEST(Bootstrap, IsShortAndAscii) {
  const std::string_view text = bootstrap_text();
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 45);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\n' || (c >= ' ' && c < 0x7f); }));
}

}  // namespace
}  // namespace headrace::agent
