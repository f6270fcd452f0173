#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace store --door-fd N`: reads, tags and cards for one Python process and what it forks, over the channels that come
/// through the door (docs/formats/wire.md, section 5). Ends when the door has no other end. Returns the exit code.
int store_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
