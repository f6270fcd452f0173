#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "s3/request.h"

namespace headrace::s3 {

/// What goes up with an object. Of those that S3 knows it costs least: processors compute CRC-32C themselves.
inline constexpr const char* kChecksumHeader = "x-amz-checksum-crc32c";
/// Its value for a body.
[[nodiscard]] std::string checksum_of(std::string_view body);
/// The same for what is in a file; nullopt, with errno set, when it cannot be read.
[[nodiscard]] std::optional<std::string> checksum_of_file(const std::string& path);

enum class Checked { fits, differs, not_given };
/// The whole body of an answer beside the checksum that S3 gives with it: CRC-32, CRC-32C, CRC-64/NVME, SHA-1 or SHA-256. That of an
/// object in parts (`...-N`) is of the parts' checksums and says nothing here.
[[nodiscard]] Checked check_body(const Answer& answer);

}  // namespace headrace::s3
