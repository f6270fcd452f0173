#pragma once

#include <string>

#include "base/error.h"
#include "s3/request.h"

namespace headrace::s3 {

/// HTTP: no byte of the range is in the object.
inline constexpr int kRangeNotSatisfiable = 416;

/// What an answer means for the one who asked. S3's many codes are folded into these here.
enum class Verdict {
  good,
  condition,    ///< 412: If-None-Match or If-Match did not hold
  missing,      ///< no such object, or no such bucket
  repeat,       ///< lost connection, throttled, server trouble: ask again after a pause
  damaged,      ///< what came has another checksum or length than announced
  expired,      ///< the credentials have ended: find new ones
  other_region, ///< the bucket is elsewhere: `region_of` tells where
  denied,
  misuse,       ///< the request cannot be answered as it is, e.g. a range outside the object
  failed,
};

[[nodiscard]] Verdict judge(const Answer& answer);
/// The bucket's region, when the answer tells; else empty.
[[nodiscard]] std::string region_of(const Answer& answer);

/// The error for an answer that is not good. `doing` is like `read s3://b/k`; `origin` is where the credentials came from.
[[nodiscard]] Error describe(const Answer& answer, const std::string& doing, const std::string& origin, const std::string& endpoint);

}  // namespace headrace::s3
