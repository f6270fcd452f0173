#include "s3/etag.h"

namespace headrace::s3 {
bool fits_etag(std::string_view bytes, const Answer& answer, Md5Together::Expected& md5) {
  for (const auto& [name, value] : answer.headers) {
    if (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type") return true;
  }
  const std::string etag = answer.header("etag");
  const bool is_md5 = etag.size() == 34 && etag.substr(1, 32).find_first_not_of("0123456789abcdef") == std::string::npos;
  const std::string encryption = answer.header("x-amz-server-side-encryption");
  if (!is_md5 || (!encryption.empty() && encryption != "AES256")) return true;
  const std::string found = md5.hex(bytes);
  return found.empty() || found == etag.substr(1, 32);
}

}  // namespace headrace::s3
