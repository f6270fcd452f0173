#include "s3/checksum.h"

#include <array>
#include <utility>

#include <openssl/evp.h>

#include "codec/base64.h"

namespace headrace::s3 {
namespace {

constexpr std::array kCrcs = {CrcKind::crc32c, CrcKind::crc64nvme, CrcKind::crc32};
constexpr std::pair<const char*, const EVP_MD* (*)()> kDigests[] = {{"x-amz-checksum-sha1", EVP_sha1},
                                                                    {"x-amz-checksum-sha256", EVP_sha256}};

std::string digest(const EVP_MD* kind, std::string_view body) {
  unsigned char found[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(body.data(), body.size(), found, &size, kind, nullptr) != 1) return "";
  return {reinterpret_cast<const char*>(found), size};
}

}  // namespace

std::optional<GivenCrc> given_crc(const Answer& answer) {
  for (const CrcKind kind : kCrcs) {
    std::string text = answer.header(header_of(kind));
    if (!text.empty() && text.find('-') == std::string::npos) return GivenCrc{.kind = kind, .text = std::move(text)};
  }
  return std::nullopt;
}

Checked check_body(const Answer& answer) {
  if (const auto given = given_crc(answer)) {
    const Crc found = answer.received > 0 ? answer.received_crc : crc_of(given->kind, answer.body);
    return crc_text(found) == given->text ? Checked::fits : Checked::differs;
  }
  return answer.received > 0 ? Checked::not_given : check_digest(answer.body, answer);
}

Checked check_digest(std::string_view body, const Answer& answer) {
  for (const auto& [header, kind] : kDigests) {
    const std::string text = answer.header(header);
    if (text.empty() || text.find('-') != std::string::npos) continue;
    return codec::to_base64(digest(kind(), body)) == text ? Checked::fits : Checked::differs;
  }
  return Checked::not_given;
}

}  // namespace headrace::s3
