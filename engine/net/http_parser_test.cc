#include "net/http_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::net {
namespace {

TEST(HttpParser, AnEndBeforeTheHeadIsALoss) {
  for (const char* before : {"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b"}) {
    HttpParser parser(false);
    if (*before != '\0') {
      ASSERT_TRUE(parser.feed(before).ok()) << before;
    }
    const auto ended = parser.feed({});
    ASSERT_FALSE(ended.ok()) << before;
    EXPECT_EQ(ended.error().kind, Kind::retry);
    EXPECT_THAT(ended.error().why, ::testing::HasSubstr("head")) << before;
    EXPECT_FALSE(parser.done());
  }
}

TEST(HttpParser, TheEndCompletesABodyWithoutALength) {
  HttpParser parser(false);
  ASSERT_TRUE(parser.feed("HTTP/1.0 200 OK\r\n\r\nsome").ok());
  EXPECT_FALSE(parser.done());
  ASSERT_TRUE(parser.feed({}).ok());
  EXPECT_TRUE(parser.done());
  EXPECT_EQ(parser.take_body(), "some");
}

TEST(HttpParser, AnEndBeforeTheLengthIsALoss) {
  HttpParser parser(false);
  ASSERT_TRUE(parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome").ok());
  const auto ended = parser.feed({});
  ASSERT_FALSE(ended.ok());
  EXPECT_THAT(ended.error().why, ::testing::HasSubstr("body"));
}

}  // namespace
}  // namespace headrace::net
