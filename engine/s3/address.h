#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::s3 {

/// An object, or with an empty or unfinished key a place in a bucket.
struct Address {
  std::string bucket;
  std::string key;

  /// `s3://bucket/key`, as people write it.
  [[nodiscard]] std::string str() const { return "s3://" + bucket + "/" + key; }
  auto operator<=>(const Address&) const = default;
};

/// Takes `s3://bucket/key` apart; the key may be missing or empty, and begins with no slash, however many there are. Error `misuse`
/// for another form or an impossible bucket name.
Result<Address> parse_address(std::string_view url);

}  // namespace headrace::s3
