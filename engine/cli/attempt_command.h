#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace attempt --metadata-root DIR (--door-fd N | --clone-of RUN/STEP/TASK)`: serves one attempt to the Python process that runs it and
/// holds the other end of the door; or makes the task a clone of another one. The attempt is described as for an agent, in a
/// memory file that is stdin (docs/formats/wire.md, section 7); its output and its end are the business of that process. The exit code.
int attempt_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
