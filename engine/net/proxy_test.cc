#include <gtest/gtest.h>

#include "net/http_client.h"

namespace headrace::net {
namespace {

std::string proxy_of(const char* url, ProxyVariables variables) { return proxy_for(parse_url(url).value(), variables); }

TEST(Proxy, IsChosenByScheme) {
  const ProxyVariables variables{.https_proxy = "http://a:1", .http_proxy = "http://b:2", .all_proxy = "http://c:3"};
  EXPECT_EQ(proxy_of("https://example.org", variables), "http://a:1");
  EXPECT_EQ(proxy_of("http://example.org", variables), "http://b:2");
  EXPECT_EQ(proxy_of("https://example.org", {.all_proxy = "http://c:3"}), "http://c:3");
  EXPECT_EQ(proxy_of("https://example.org", {}), "");
  EXPECT_EQ(proxy_of("https://example.org", {.https_proxy = "a:1"}), "http://a:1");
}

TEST(Proxy, IsNotUsedForLoopback) {
  const ProxyVariables variables{.https_proxy = "http://a:1"};
  EXPECT_EQ(proxy_of("https://127.0.0.1:6443", variables), "");
  EXPECT_EQ(proxy_of("https://localhost:6443", variables), "");
  EXPECT_EQ(proxy_of("https://[::1]:6443", variables), "");
}

TEST(Proxy, ExceptionsAreNamesSuffixesAddressesAndRanges) {
  const auto exempt = [](const char* url, const char* no_proxy) {
    return proxy_of(url, {.https_proxy = "http://a:1", .no_proxy = no_proxy}).empty();
  };
  EXPECT_TRUE(exempt("https://example.org", "*"));
  EXPECT_TRUE(exempt("https://example.org", "other, Example.org"));
  EXPECT_TRUE(exempt("https://api.example.org", "example.org"));
  EXPECT_TRUE(exempt("https://api.example.org", ".example.org"));
  EXPECT_TRUE(exempt("https://api.example.org", "*.example.org"));
  EXPECT_FALSE(exempt("https://example.org", ".example.org"));
  EXPECT_FALSE(exempt("https://notexample.org", "example.org"));
  EXPECT_TRUE(exempt("https://example.org:6443", "example.org:6443"));
  EXPECT_FALSE(exempt("https://example.org:6443", "example.org:443"));
  EXPECT_TRUE(exempt("https://10.96.0.1", "10.96.0.1"));
  EXPECT_TRUE(exempt("https://10.96.0.1", "10.96.0.0/12"));
  EXPECT_FALSE(exempt("https://10.112.0.1", "10.96.0.0/12"));
  EXPECT_FALSE(exempt("https://10.96.0.1", "96.0.1"));
  EXPECT_TRUE(exempt("https://[fd00::5]", "fd00::/8"));
  EXPECT_FALSE(exempt("https://[fe00::5]", "fd00::/8"));
  EXPECT_TRUE(exempt("https://[fd00::5]:6443", "[fd00::5]:6443"));
  EXPECT_FALSE(exempt("https://example.org", ",, ,10.0.0.0/99,[::"));
}

}  // namespace
}  // namespace headrace::net
