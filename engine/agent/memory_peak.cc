#include "agent/memory_peak.h"

#include <algorithm>

namespace headrace::agent {

MemoryPeak::MemoryPeak(const ControlGroups& groups) {
  for (const std::string& folder : memory_groups(groups)) {
    for (const char* name : {"/memory.peak", "/memory.current", "/memory.max_usage_in_bytes"}) files_.push_back(folder + name);
  }
}

std::int64_t MemoryPeak::sample_kb() {
  for (const std::string& path : files_) {
    if (const auto bytes = number_in_group_file(path)) {
      peak_kb_ = std::max(peak_kb_, static_cast<std::int64_t>(*bytes / 1024));
      break;
    }
  }
  return peak_kb_;
}

}  // namespace headrace::agent
