#include "codec/utf8.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

TEST(Utf8, TellsValidFromInvalid) {
  for (const char* text : {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

// Expected values: Python's bytes.decode("utf-8", "replace").
TEST(Utf8, ReplacesAsPythonDoes) {
  EXPECT_EQ(to_utf8("a\xff\xfe"), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(to_utf8("\xe2\x82z"), "\xef\xbf\xbdz");
  EXPECT_EQ(to_utf8("\xf0\x9f\x98"), "\xef\xbf\xbd");
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(to_utf8("\xc3\xa4"), "\xc3\xa4");
}

}  // namespace
}  // namespace headrace::codec
