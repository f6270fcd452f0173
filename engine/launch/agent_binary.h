#pragma once

#include <string>

#include "base/result.h"

namespace headrace::launch {

/// The executable that pods run as their agent: its bytes, as they are on disk.
struct AgentBinary {
  std::string bytes;
  std::string architecture;  ///< as Kubernetes names it: `amd64` or `arm64`
};

/// Reads `file`, or this process's own executable when it is empty. A pod's image has no libraries of ours, so the executable must
/// be static: Error (misuse) that says what to do when it is not, or when it is no executable of Linux.
Result<AgentBinary> read_agent_binary(const std::string& file);

/// The part of it without files: checks that `bytes` are a static executable; returns its architecture. `name` is for the error.
Result<std::string> check_agent_binary(const std::string& bytes, const std::string& name);

}  // namespace headrace::launch
