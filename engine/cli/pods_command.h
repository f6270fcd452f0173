#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace pods list|kill --flow F [--run-id R] [--user U] --namespace NS ...`: the pods of a flow that have not ended, of this
/// launcher or another one, found by their annotations. Returns the exit code.
int pods_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
