#pragma once

#include <span>
#include <string>

namespace headrace::cli {

/// `headrace init --spec-fd N`: registers the run of the flow spec in descriptor N and stores its values. The exit code.
int init_command(std::span<const std::string> arguments);

}  // namespace headrace::cli
