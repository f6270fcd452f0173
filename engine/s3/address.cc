#include "s3/address.h"

#include <algorithm>

#include <fmt/format.h>

namespace headrace::s3 {
namespace {

constexpr std::string_view kScheme = "s3://";

/// What any S3 service takes: letters, digits, dots, dashes, underscores, colons (access points), 3 to 255 of them.
bool is_bucket(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
  };
  return name.size() >= 3 && name.size() <= 255 && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

Result<Address> parse_address(std::string_view url) {
  const auto wrong = [url](std::string why) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("`{}` is not the address of an object in S3", url),
                 .why = std::move(why),
                 .next = "write it as s3://BUCKET/KEY"};
  };
  if (!url.starts_with(kScheme)) return wrong("it does not begin with s3://");
  const std::string_view rest = url.substr(kScheme.size());
  const auto slash = rest.find('/');
  const std::string_view bucket = rest.substr(0, slash);
  if (!is_bucket(bucket)) return wrong(fmt::format("`{}` cannot be the name of a bucket", bucket));
  const auto key = slash == std::string_view::npos ? slash : rest.find_first_not_of('/', slash);
  return Address{.bucket = std::string{bucket}, .key = key == std::string_view::npos ? "" : std::string{rest.substr(key)}};
}

}  // namespace headrace::s3
