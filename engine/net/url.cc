#include <charconv>

#include <fmt/format.h>

#include "net/http_client.h"

namespace headrace::net {

namespace {

Error not_an_address(std::string_view text, std::string_view why) {
  return Error{.kind = Kind::misuse, .what = fmt::format("`{}` is not the address of a server", text), .why = std::string(why),
               .next = "write it as https://HOST:PORT"};
}

/// False: not a port.
bool read_port(std::string_view text, std::uint16_t& port) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  return code == std::errc() && end == text.data() + text.size() && port != 0;
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                      c == '_' || c == ':' || c == '%';
    if (!fine) return false;
  }
  return true;
}

}  // namespace

std::string Url::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<Url> parse_url(std::string_view text) {
  const std::string_view whole = text;
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return not_an_address(whole, "it does not start with http:// or https://");
  for (const char c : text.substr(0, colon)) url.scheme += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (url.scheme != "http" && url.scheme != "https") {
    return not_an_address(whole, fmt::format("`{}` is neither http nor https", url.scheme));
  }
  text.remove_prefix(colon + 3);
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 127) return not_an_address(whole, "it has a blank or control character");
  }
  if (text.find_first_of("?#") != std::string_view::npos) return not_an_address(whole, "it has a query or a fragment");
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    url.path = text.substr(slash);
    while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
    text = text.substr(0, slash);
  }
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    url.user = text.substr(0, at);
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return not_an_address(whole, "its `[` is not closed");
    url.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return not_an_address(whole, "something stands between `]` and the port");
    if (!text.empty()) port = text.substr(1);
    if (!text.empty() && port.empty()) return not_an_address(whole, "its port is empty");
  } else {
    const std::size_t before = text.rfind(':');
    if (before != std::string_view::npos) {
      port = text.substr(before + 1);
      if (port.empty()) return not_an_address(whole, "its port is empty");
      text = text.substr(0, before);
    }
    url.host = text;
    if (url.host.find(':') != std::string::npos) return not_an_address(whole, "an IPv6 address needs brackets around it");
  }
  if (!is_host(url.host)) return not_an_address(whole, "it names no host");
  url.port = url.scheme == "https" ? 443 : 80;
  if (!port.empty() && !read_port(port, url.port)) return not_an_address(whole, fmt::format("`{}` is not a port", port));
  return url;
}

std::string escape_query(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace headrace::net
