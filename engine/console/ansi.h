#pragma once

#include <string>
#include <string_view>

/// Colours exactly as Click writes them, since the transcript of a terminal is compared byte for byte. Private to this module.
namespace headrace::console {

inline constexpr std::string_view kReset = "\x1b[0m";
inline constexpr std::string_view kRed = "\x1b[31m";
inline constexpr std::string_view kGreen = "\x1b[32m";
inline constexpr std::string_view kMagenta = "\x1b[35m";
inline constexpr std::string_view kBold = "\x1b[1m";
inline constexpr std::string_view kNotBold = "\x1b[22m";
inline constexpr std::string_view kEraseToEndOfLine = "\x1b[K";

/// Appends `text` without its `ESC [ digits letter` sequences: what is not a terminal gets none, from user code neither.
void append_without_ansi(std::string& out, std::string_view text);

}  // namespace headrace::console
