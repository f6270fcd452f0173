#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"

/// What several commands of the executable do.
namespace headrace::cli {

/// A descriptor's number as an argument gives it; nullopt for any other text.
[[nodiscard]] std::optional<int> parse_descriptor(std::string_view text);

/// The exit code of a command that has nothing more to do; why it failed is said on stderr.
[[nodiscard]] int end_command(const Result<void>& done);

}  // namespace headrace::cli
