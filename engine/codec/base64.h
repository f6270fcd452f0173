#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::codec {

/// The standard alphabet, with padding, without line breaks.
[[nodiscard]] std::string to_base64(std::string_view bytes);

/// Reads what `to_base64` writes; anything else is an error.
Result<std::string> from_base64(std::string_view text);

}  // namespace headrace::codec
