#pragma once

#include <string_view>

namespace headrace::s3 {

/// PEM certificates of the public authorities as the machine trusted them on which the engine was built: for images of pods that
/// have no CA bundle. Empty if it had none.
[[nodiscard]] std::string_view built_in_ca_roots();

}  // namespace headrace::s3
