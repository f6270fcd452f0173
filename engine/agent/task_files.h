#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/agent_spec.h"

namespace headrace::agent {

struct Surroundings;

/// Command and environment of the task's interpreter.
struct TaskFiles {
  const wire::AgentSpec& spec;
  const Surroundings& surroundings;
};

/// `PYTHON -u FLOW.py OPTIONS step NAME`. Writes the values of the flow's configs to a file, if there are any.
Result<std::vector<std::string>> task_command(const TaskFiles& files);
/// The agent's own variables without what only it needs; the package's framework first in PYTHONPATH; the door; @environment's last.
[[nodiscard]] std::map<std::string, std::string> task_environment(const TaskFiles& files, int door);

}  // namespace headrace::agent
