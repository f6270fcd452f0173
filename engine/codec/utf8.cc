#include "codec/utf8.h"

namespace headrace::codec {

namespace {

/// The second byte's bounds depend on the first (no overlong forms, no surrogates, at most U+10FFFF); others are 80..BF.
struct Lead {
  std::size_t length;
  unsigned char second_min;
  unsigned char second_max;
};

Lead lead_of(unsigned char c) {
  if (c >= 0xc2 && c <= 0xdf) return {2, 0x80, 0xbf};
  if (c == 0xe0) return {3, 0xa0, 0xbf};
  if (c == 0xed) return {3, 0x80, 0x9f};
  if (c >= 0xe1 && c <= 0xef) return {3, 0x80, 0xbf};
  if (c == 0xf0) return {4, 0x90, 0xbf};
  if (c >= 0xf1 && c <= 0xf3) return {4, 0x80, 0xbf};
  if (c == 0xf4) return {4, 0x80, 0x8f};
  return {1, 0, 0};
}

/// How many bytes at `position` begin a valid sequence of `lead`; all of it when this is `lead.length`.
std::size_t valid_prefix(std::string_view text, std::size_t position, const Lead& lead) {
  std::size_t count = 1;
  while (count < lead.length && position + count < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[position + count]);
    const bool fits = count == 1 ? c >= lead.second_min && c <= lead.second_max : (c & 0xc0) == 0x80;
    if (!fits) break;
    ++count;
  }
  return count;
}

}  // namespace

Utf8Step next_code_point(std::string_view text, std::size_t position) {
  const unsigned char first = static_cast<unsigned char>(text[position]);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.length == 1 || valid_prefix(text, position, lead) < lead.length) return {};
  std::uint32_t code_point = first & (0x7fu >> lead.length);
  for (std::size_t i = 1; i < lead.length; ++i) {
    code_point = code_point << 6 | (static_cast<unsigned char>(text[position + i]) & 0x3fu);
  }
  return {code_point, lead.length, true};
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Step step = next_code_point(text, i);
    if (!step.valid) return false;
    i += step.length;
  }
  return true;
}

std::string to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    const Utf8Step step = next_code_point(bytes, i);
    if (step.valid) {
      out += bytes.substr(i, step.length);
      i += step.length;
    } else {
      out += "\xef\xbf\xbd";
      i += valid_prefix(bytes, i, lead_of(static_cast<unsigned char>(bytes[i])));
    }
  }
  return out;
}

}  // namespace headrace::codec
