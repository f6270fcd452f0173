#include "s3/crc.h"

#include <aws/checksums/crc.h>

#include "codec/base64.h"

namespace headrace::s3 {

void Crc::add(std::string_view bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  switch (kind) {
    case CrcKind::crc32: value = aws_checksums_crc32_ex(data, bytes.size(), static_cast<std::uint32_t>(value)); break;
    case CrcKind::crc32c: value = aws_checksums_crc32c_ex(data, bytes.size(), static_cast<std::uint32_t>(value)); break;
    case CrcKind::crc64nvme: value = aws_checksums_crc64nvme_ex(data, bytes.size(), value); break;
  }
  length += bytes.size();
}

void Crc::append(const Crc& next) {
  const auto first = static_cast<std::uint32_t>(value);
  const auto second = static_cast<std::uint32_t>(next.value);
  switch (kind) {
    case CrcKind::crc32: value = aws_checksums_crc32_combine(first, second, next.length); break;
    case CrcKind::crc32c: value = aws_checksums_crc32c_combine(first, second, next.length); break;
    case CrcKind::crc64nvme: value = aws_checksums_crc64nvme_combine(value, next.value, next.length); break;
  }
  length += next.length;
}

const char* header_of(CrcKind kind) {
  switch (kind) {
    case CrcKind::crc32: return "x-amz-checksum-crc32";
    case CrcKind::crc32c: return "x-amz-checksum-crc32c";
    case CrcKind::crc64nvme: return "x-amz-checksum-crc64nvme";
  }
  return "";
}

Crc crc_of(CrcKind kind, std::string_view bytes) {
  Crc crc{.kind = kind};
  crc.add(bytes);
  return crc;
}

std::string crc_text(const Crc& crc) {
  std::string bytes;  // big end first
  for (int shift = crc.kind == CrcKind::crc64nvme ? 56 : 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc.value >> shift & 0xFF);
  return codec::to_base64(bytes);
}

}  // namespace headrace::s3
