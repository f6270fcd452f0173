#include "s3/etag.h"

#include <openssl/evp.h>

namespace headrace::s3 {
namespace {

/// Empty when this libcrypto refuses MD5.
std::string md5_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) != 1) return "";
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4U];
    hex += kDigits[digest[i] & 15U];
  }
  return hex;
}

}  // namespace

bool fits_etag(std::string_view bytes, const Answer& answer) {
  for (const auto& [name, value] : answer.headers) {
    if (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type") return true;
  }
  const std::string etag = answer.header("etag");
  const bool is_md5 = etag.size() == 34 && etag.substr(1, 32).find_first_not_of("0123456789abcdef") == std::string::npos;
  const std::string encryption = answer.header("x-amz-server-side-encryption");
  if (!is_md5 || (!encryption.empty() && encryption != "AES256")) return true;
  const std::string found = md5_hex(bytes);
  return found.empty() || found == etag.substr(1, 32);
}

}  // namespace headrace::s3
