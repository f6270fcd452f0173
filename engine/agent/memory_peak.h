#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/control_groups.h"

namespace headrace::agent {

/// The most memory that this process's control group (a container) has used: version 1 and 2. What the kernel does not keep as a peak is
/// looked at each time.
class MemoryPeak {
 public:
  explicit MemoryPeak(const ControlGroups& groups = {});

  /// Looks again. 0 where the kernel tells nothing.
  std::int64_t sample_kb();

 private:
  std::vector<std::string> files_;  ///< the first that can be read counts
  std::int64_t peak_kb_ = 0;
};

}  // namespace headrace::agent
