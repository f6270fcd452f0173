#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace agent`: runs one attempt in a pod (docs/formats/wire.md, sections 7 and 8). `--bootstrap` prints the text that starts it.
int agent_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
