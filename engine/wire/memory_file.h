#pragma once

#include <string>

#include "base/result.h"

namespace headrace::wire {

/// All bytes of the memory file `fd` (memfd_create(2)), from its start. `what` it is, for the error of the system.
Result<std::string> read_memory_file(int fd, std::string what);

}  // namespace headrace::wire
