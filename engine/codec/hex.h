#pragma once

#include <span>
#include <string>

namespace headrace::codec {

/// Two lower-case hex digits for each byte.
[[nodiscard]] inline std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    hex += kDigits[byte >> 4U];
    hex += kDigits[byte & 15U];
  }
  return hex;
}

}  // namespace headrace::codec
