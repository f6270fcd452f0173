#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace conduct --spec-fd N --host-fd M`: runs what the flow spec says, with tasks of the host behind the link. Started
/// by the SDK in the place of `python flow.py run`. Returns the exit code: 0 success, 1 failure, 2 usage.
int conduct_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
