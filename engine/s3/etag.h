#pragma once

#include <string>
#include <string_view>

#include "s3/request.h"
#include "s3/md5_together.h"

namespace headrace::s3 {

/// Whether the whole body of an answer is what its etag says: the MD5 of an object that was written in one request and without
/// a key service. True where nothing can be said, or where a checksum was looked at already.
[[nodiscard]] bool fits_etag(std::string_view bytes, const Answer& answer, Md5Together::Expected& md5);

}  // namespace headrace::s3
