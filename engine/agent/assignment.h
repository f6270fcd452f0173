#pragma once

#include <optional>
#include <string>

#include "attempt/assignment.h"
#include "wire/agent_spec.h"

/// From what a run tells an agent to what the attempt's session needs.
namespace headrace::agent {

/// `python_version`: sys.version of the interpreter here; "" means the launcher's.
[[nodiscard]] attempt::RunFacts facts_of(const wire::AgentSpec& spec, const std::string& python_version, std::string metadata_root);
[[nodiscard]] attempt::Assignment assignment_of(const wire::AgentSpec& spec);

/// What to say when the task's Python is of another minor version than the launcher's; both are texts of sys.version.
[[nodiscard]] std::optional<std::string> other_python_warning(const std::string& launcher, const std::string& here);

}  // namespace headrace::agent
