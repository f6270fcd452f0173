#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http_client.h"
#include "net/http_parser.h"

namespace {

using namespace headrace;

/// What one connection's bytes mean, given in pieces of `piece` bytes and then ended.
struct Reading {
  bool fine = true;
  int status = 0;
  net::Headers headers;
  std::string body;
};

Reading read(std::string_view bytes, std::size_t piece, bool no_body) {
  net::HttpParser parser(no_body);
  Reading reading;
  for (std::size_t at = 0; at < bytes.size() && reading.fine && !parser.done(); at += piece) {
    reading.fine = parser.feed(bytes.substr(at, piece)).ok();
    reading.body += parser.take_body();
    HR_CHECK(reading.body.size() <= bytes.size());
  }
  if (reading.fine && !parser.done()) reading.fine = parser.feed({}).ok();
  reading.body += parser.take_body();
  if (!reading.fine) return reading;
  HR_CHECK(parser.done() && parser.head() != nullptr);
  reading.status = parser.head()->status;
  reading.headers = parser.head()->headers;
  std::sort(reading.headers.begin(), reading.headers.end());
  HR_CHECK(!no_body || reading.body.empty());
  return reading;
}

void check_url(std::string_view text) {
  const auto url = net::parse_url(text);
  if (!url) return;
  HR_CHECK(!url->host.empty() && url->port != 0);
  const auto again = net::parse_url(url->scheme + "://" + url->authority() + url->path);
  HR_CHECK(again.ok() && again->host == url->host && again->port == url->port && again->path == url->path);
}

}  // namespace

// An answer means the same in whatever pieces it comes. Addresses, variables and certificates are any text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool no_body : {false, true}) {
    const Reading whole = read(bytes, std::max<std::size_t>(size, 1), no_body);
    const Reading pieces = read(bytes, 3, no_body);
    HR_CHECK(whole.fine == pieces.fine);
    if (!whole.fine) continue;
    HR_CHECK(whole.status == pieces.status && whole.body == pieces.body);
    // What follows a chunked body in one piece with the head is seen as headers too.
    HR_CHECK(std::includes(whole.headers.begin(), whole.headers.end(), pieces.headers.begin(), pieces.headers.end()));
  }
  check_url(bytes);
  const net::Url named{.scheme = "https", .host = "host.example", .port = 443, .path = {}, .user = {}};
  const net::Url numbered{.scheme = "http", .host = "fd00::1", .port = 80, .path = {}, .user = {}};
  const net::ProxyVariables variables{.https_proxy = "p", .http_proxy = "p", .all_proxy = {}, .no_proxy = std::string(bytes)};
  (void)net::proxy_for(named, variables);
  (void)net::proxy_for(numbered, variables);
  (void)net::read_certificate(bytes);
  return 0;
}
