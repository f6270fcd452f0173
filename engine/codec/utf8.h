#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::codec {

struct Utf8Step {
  std::uint32_t code_point = 0;
  std::size_t length = 1;  ///< bytes to go on by; 1 for an invalid byte
  bool valid = false;
};

/// The code point at `text[position]`. Overlong forms, surrogates and what is cut off are invalid.
[[nodiscard]] Utf8Step next_code_point(std::string_view text, std::size_t position);

[[nodiscard]] bool is_utf8(std::string_view text);

/// Text with each maximal invalid part replaced by U+FFFD, as Python's `bytes.decode("utf-8", "replace")`.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

}  // namespace headrace::codec
