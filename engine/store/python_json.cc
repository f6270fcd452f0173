#include "store/python_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace headrace::store {
namespace {

struct Decoded {
  std::uint32_t point;
  std::size_t length;
};

/// The code point at the front of `text`, which is not empty; U+FFFD of length 1 where the bytes are not UTF-8.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return {0xFFFD, 1};
  std::uint32_t point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {0xFFFD, 1};
    point = point << 6U | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (overlong || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return {0xFFFD, 1};
  return {point, length};
}

void append_escape(std::string& out, std::uint32_t unit) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", unit); }

void append_float(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
  } else {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    const std::string_view shortest{text.data(), static_cast<std::size_t>(end - text.data())};
    out += shortest;
    if (shortest.find_first_of(".e") == std::string_view::npos) out += ".0";
  }
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    std::size_t used = 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (c >= ' ' && c <= '~') {
          out += c;
        } else if (static_cast<unsigned char>(c) < 0x80) {
          append_escape(out, static_cast<unsigned char>(c));
        } else {
          const Decoded decoded = decode(text);
          used = decoded.length;
          if (decoded.point < 0x10000) {
            append_escape(out, decoded.point);
          } else {
            append_escape(out, 0xD800 + ((decoded.point - 0x10000) >> 10U));
            append_escape(out, 0xDC00 + ((decoded.point - 0x10000) & 0x3FFU));
          }
        }
    }
    text.remove_prefix(used);
  }
  out += '"';
}

// Recursion is bounded: values come from our own code or from texts that the parser has limited in size, and the deepest
// metadata value anybody writes is a list of strings.
void append_json(std::string& out, const nlohmann::ordered_json& value) {
  const char* separator = "";
  switch (value.type()) {
    case nlohmann::ordered_json::value_t::object:
      out += '{';
      for (const auto& [key, child] : value.items()) {
        out += separator;
        append_quoted(out, key);
        out += ": ";
        append_json(out, child);
        separator = ", ";
      }
      out += '}';
      break;
    case nlohmann::ordered_json::value_t::array:
      out += '[';
      for (const auto& child : value) {
        out += separator;
        append_json(out, child);
        separator = ", ";
      }
      out += ']';
      break;
    case nlohmann::ordered_json::value_t::string: append_quoted(out, value.get_ref<const std::string&>()); break;
    case nlohmann::ordered_json::value_t::number_float: append_float(out, value.get<double>()); break;
    default: out += value.dump();  // null, true, false and whole numbers are the same in both
  }
}

std::string python_json(const nlohmann::ordered_json& value) {
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace headrace::store
