#include "s3/checksum.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <vector>

#include <aws/checksums/crc.h>
#include <openssl/evp.h>

#include "codec/base64.h"

namespace headrace::s3 {
namespace {

std::string big_endian(std::unsigned_integral auto value) {
  std::string bytes;
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

const std::uint8_t* bytes_of(std::string_view body) { return reinterpret_cast<const std::uint8_t*>(body.data()); }

std::string digest(const EVP_MD* kind, std::string_view body) {
  unsigned char found[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(body.data(), body.size(), found, &size, kind, nullptr) != 1) return "";
  return {reinterpret_cast<const char*>(found), size};
}

struct Algorithm {
  const char* header;
  std::string (*of)(std::string_view body);
};

constexpr Algorithm kAlgorithms[] = {
    {kChecksumHeader, [](std::string_view body) { return big_endian(aws_checksums_crc32c_ex(bytes_of(body), body.size(), 0)); }},
    {"x-amz-checksum-crc32", [](std::string_view body) { return big_endian(aws_checksums_crc32_ex(bytes_of(body), body.size(), 0)); }},
    {"x-amz-checksum-crc64nvme",
     [](std::string_view body) { return big_endian(aws_checksums_crc64nvme_ex(bytes_of(body), body.size(), 0)); }},
    {"x-amz-checksum-sha1", [](std::string_view body) { return digest(EVP_sha1(), body); }},
    {"x-amz-checksum-sha256", [](std::string_view body) { return digest(EVP_sha256(), body); }},
};

}  // namespace

std::string checksum_of(std::string_view body) { return codec::to_base64(kAlgorithms[0].of(body)); }

std::optional<std::string> checksum_of_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::vector<char> piece(256 << 10);
  std::uint32_t crc = 0;
  ssize_t n = 0;
  while ((n = ::read(fd, piece.data(), piece.size())) != 0) {
    if (n > 0) crc = aws_checksums_crc32c_ex(bytes_of({piece.data(), static_cast<std::size_t>(n)}), static_cast<std::size_t>(n), crc);
    if (n < 0 && errno != EINTR) break;
  }
  const int failed = n < 0 ? errno : 0;
  ::close(fd);
  errno = failed;
  return failed == 0 ? std::optional{codec::to_base64(big_endian(crc))} : std::nullopt;
}

Checked check_body(const Answer& answer) {
  for (const Algorithm& algorithm : kAlgorithms) {
    const std::string given = answer.header(algorithm.header);
    if (given.empty() || given.find('-') != std::string::npos) continue;
    return codec::to_base64(algorithm.of(answer.body)) == given ? Checked::fits : Checked::differs;
  }
  return Checked::not_given;
}

}  // namespace headrace::s3
