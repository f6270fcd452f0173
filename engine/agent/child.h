#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/unique_fd.h"

namespace headrace::agent {

/// How the task's process ended.
struct ChildEnd {
  int status = 0;           ///< as of `waitpid`
  std::int64_t peak_kb = 0;  ///< largest resident size of it or of one of its own children
};

/// A process to start: leader of a group of its own, stdin from /dev/null, default signals, first to go when memory runs out; it ends
/// with the agent.
struct ChildStart {
  std::vector<std::string> command;  ///< the first is looked for in the agent's PATH
  std::map<std::string, std::string> environment;  ///< all of it
  std::string folder;
  loop::UniqueFd out;
  loop::UniqueFd err;
  loop::UniqueFd door;               ///< stays open in the child, under the number it has here
};

/// Its pid. Error: the system's, `missing` when there is no such program.
Result<pid_t> start_child(ChildStart start);

/// Takes every process that has ended, as the first process of a container must; how `child` ended if it was among them.
std::optional<ChildEnd> reap(pid_t child);

}  // namespace headrace::agent
