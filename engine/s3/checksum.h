#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "s3/crc.h"
#include "s3/request.h"

namespace headrace::s3 {

/// What an answer says of the whole object: a CRC and its text. That of an object in parts may be of the parts' checksums (`...-N`),
/// which says nothing here.
struct GivenCrc {
  CrcKind kind{};
  std::string text;
};
[[nodiscard]] std::optional<GivenCrc> given_crc(const Answer& answer);

enum class Checked { fits, differs, not_given };
/// The whole body of an answer beside the checksum that S3 gives with it: CRC-32, CRC-32C, CRC-64/NVME, SHA-1 or SHA-256. Of a body that
/// went into a file, the CRC alone.
[[nodiscard]] Checked check_body(const Answer& answer);
/// `body` beside the SHA-1 or SHA-256 that an answer gives.
[[nodiscard]] Checked check_digest(std::string_view body, const Answer& answer);

}  // namespace headrace::s3
