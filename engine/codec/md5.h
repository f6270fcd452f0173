#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::codec {

/// So many messages go side by side.
inline constexpr std::size_t kMd5Lanes = 8;

/// MD5 of each message, 32 lower-case hex digits.
///
/// One MD5 is a chain of steps that wait for each other, so a processor does it no faster than 0.7 GB/s. Up to kMd5Lanes messages of
/// about one length take little longer together than one of them alone: each has a lane of the vector registers. No library that can be
/// had by name does this for C++ (ISA-L_crypto is in no registry).
[[nodiscard]] std::vector<std::string> md5_hex(std::span<const std::string_view> messages);

}  // namespace headrace::codec
