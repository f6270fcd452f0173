#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::s3 {

enum class CrcKind { crc32, crc32c, crc64nvme };

/// A cyclic redundancy check of some bytes; that of a whole comes of those of its pieces.
struct Crc {
  CrcKind kind{};
  std::uint64_t value = 0;
  std::uint64_t length = 0;  ///< of how many bytes

  void add(std::string_view bytes);
  /// Of the same kind, of the bytes that follow.
  void append(const Crc& next);
};

/// What goes up with an object. Of those that S3 knows it costs least: processors compute CRC-32C themselves.
inline constexpr CrcKind kSentCrc = CrcKind::crc32c;

[[nodiscard]] Crc crc_of(CrcKind kind, std::string_view bytes);
/// As S3's headers have it.
[[nodiscard]] std::string crc_text(const Crc& crc);
/// The header in which S3 takes and gives it.
[[nodiscard]] const char* header_of(CrcKind kind);

}  // namespace headrace::s3
