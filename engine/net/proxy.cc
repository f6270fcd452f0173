#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include "net/http_client.h"

namespace headrace::net {

namespace ip = boost::asio::ip;

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool in_range(const ip::address& address, const std::string& range) {
  boost::system::error_code code;
  if (address.is_v4()) {
    const auto network = ip::make_network_v4(range, code);
    if (code) return false;
    const unsigned mask = network.netmask().to_uint();
    return (address.to_v4().to_uint() & mask) == (network.address().to_uint() & mask);
  }
  const auto network = ip::make_network_v6(range, code);
  if (code) return false;
  const auto bytes = address.to_v6().to_bytes();
  const auto wanted = network.address().to_bytes();
  for (unsigned bit = 0; bit < network.prefix_length(); ++bit) {
    const unsigned shift = 7 - bit % 8;
    if ((bytes[bit / 8] >> shift & 1) != (wanted[bit / 8] >> shift & 1)) return false;
  }
  return true;
}

/// One entry of NO_PROXY against one host.
bool exempts(std::string entry, const Url& url) {
  if (entry == "*") return true;
  const std::string host = lower(url.host);
  boost::system::error_code code;
  const ip::address address = ip::make_address(host, code);
  const bool is_address = !code;
  if (entry.find('/') != std::string::npos) return is_address && in_range(address, entry);
  if (!entry.empty() && entry.front() == '[') {  // [v6] or [v6]:port
    const std::size_t end = entry.find(']');
    if (end == std::string::npos) return false;
    const std::string port = entry.substr(end + 1);
    if (!port.empty() && port != ":" + std::to_string(url.port)) return false;
    entry = entry.substr(1, end - 1);
  } else if (std::count(entry.begin(), entry.end(), ':') == 1) {
    const std::size_t colon = entry.find(':');
    if (entry.substr(colon + 1) != std::to_string(url.port)) return false;
    entry.resize(colon);
  }
  if (is_address) {
    const ip::address wanted = ip::make_address(entry, code);
    return !code && wanted == address;
  }
  if (entry.starts_with("*.")) entry.erase(0, 1);
  if (entry.empty()) return false;
  if (entry.front() == '.') return host.ends_with(entry);
  return host == entry || host.ends_with("." + entry);
}

bool is_loopback(const std::string& host) {
  if (lower(host) == "localhost") return true;
  boost::system::error_code code;
  const ip::address address = ip::make_address(host, code);
  return !code && address.is_loopback();
}

}  // namespace

std::string proxy_for(const Url& url, const ProxyVariables& variables) {
  std::string proxy = url.scheme == "https" ? variables.https_proxy : variables.http_proxy;
  if (proxy.empty()) proxy = variables.all_proxy;
  if (proxy.empty() || is_loopback(url.host)) return "";
  std::string_view rest = variables.no_proxy;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (exempts(lower(trim(rest.substr(0, comma))), url)) return "";
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return proxy.find("://") == std::string::npos ? "http://" + proxy : proxy;
}

}  // namespace headrace::net
