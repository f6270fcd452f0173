#include "codec/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace headrace::codec {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr unsigned char kNone = 0xff;

constexpr std::array<unsigned char, 256> make_reverse() {
  std::array<unsigned char, 256> table{};
  for (auto& entry : table) entry = kNone;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<unsigned char>(i);
  return table;
}

constexpr auto kReverse = make_reverse();

Error not_base64(std::string_view why) { return Error{.what = "this is not base64", .why = std::string(why)}; }

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

Result<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return not_base64("its length is no multiple of 4");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    std::size_t digits = 4;
    if (last && text[i + 3] == '=') digits = text[i + 2] == '=' ? 2 : 3;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const unsigned char value = j < digits ? kReverse[static_cast<unsigned char>(text[i + j])] : 0;
      if (value == kNone) return not_base64("it holds a character outside of the alphabet");
      group = group << 6 | value;
    }
    for (std::size_t j = 0; j + 1 < digits; ++j) out += static_cast<char>(group >> (16 - 8 * j) & 0xff);
    if (digits < 4 && (group & ((1u << (8 * (4 - digits))) - 1)) != 0) return not_base64("bits are left over at its end");
  }
  return out;
}

}  // namespace headrace::codec
