#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace headrace::store {

/// No empty component and none that begins with a dot: a key can neither leave the root nor meet a backend's own files.
[[nodiscard]] bool is_key(std::string_view key);
[[nodiscard]] Error bad_key(std::string_view key);

}  // namespace headrace::store
