#include <gtest/gtest.h>

#include "net/http_client.h"

namespace headrace::net {
namespace {

TEST(Url, IsTakenApart) {
  const Url url = parse_url("https://10.96.0.1:6443/k8s/clusters/c-1/").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "10.96.0.1");
  EXPECT_EQ(url.port, 6443);
  EXPECT_EQ(url.path, "/k8s/clusters/c-1");
  EXPECT_EQ(url.authority(), "10.96.0.1:6443");
}

TEST(Url, HasThePortOfItsScheme) {
  EXPECT_EQ(parse_url("https://example.org")->port, 443);
  EXPECT_EQ(parse_url("HTTP://example.org")->port, 80);
  EXPECT_EQ(parse_url("http://example.org/")->path, "");
}

TEST(Url, TakesIpv6InBrackets) {
  const Url url = parse_url("https://[fd00::1]:6443").value();
  EXPECT_EQ(url.host, "fd00::1");
  EXPECT_EQ(url.authority(), "[fd00::1]:6443");
  EXPECT_EQ(parse_url("https://[::1]")->port, 443);
  EXPECT_FALSE(parse_url("https://fd00::1").ok());
}

TEST(Url, KeepsTheUserOfAProxy) {
  const Url url = parse_url("http://me:s%40cret@proxy:3128").value();
  EXPECT_EQ(url.user, "me:s%40cret");
  EXPECT_EQ(url.host, "proxy");
}

TEST(Url, SaysWhyItIsNone) {
  for (const char* text : {"", "example.org:443", "ftp://example.org", "https://", "https://:443", "https://a:0", "https://a:65536",
                           "https://a:", "https://a:1x", "https://a b", "https://a\r\nb", "https://[::1", "https://a/?q=1",
                           "https://a\"b", "socks5://a:1"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().kind, Kind::misuse) << text;
    EXPECT_FALSE(url.error().why.empty()) << text;
  }
}

TEST(Url, QueriesAreEscaped) { EXPECT_EQ(escape_query("a=b,c in (d) /~\xc3\xa4"), "a%3Db%2Cc%20in%20%28d%29%20%2F~%C3%A4"); }

TEST(HttpHead, NamesHaveAnyCase) {
  HttpHead head;
  head.headers = {{"Retry-After", "3"}, {"content-type", "a"}};
  EXPECT_EQ(head.header("retry-after"), "3");
  EXPECT_EQ(head.header("Content-Type"), "a");
  EXPECT_EQ(head.header("Content"), "");
}

}  // namespace
}  // namespace headrace::net
