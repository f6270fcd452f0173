#include "agent/memory_peak.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace headrace::agent {
namespace {

std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

}  // namespace

MemoryPeak::MemoryPeak(const ControlGroups& groups) {
  for (const std::string& folder : memory_groups(groups)) {
    for (const char* name : {"/memory.peak", "/memory.current", "/memory.max_usage_in_bytes"}) files_.push_back(folder + name);
  }
}

std::int64_t MemoryPeak::sample_kb() {
  for (const std::string& path : files_) {
    if (const auto bytes = number_in(path)) {
      peak_kb_ = std::max(peak_kb_, *bytes / 1024);
      break;
    }
  }
  return peak_kb_;
}

}  // namespace headrace::agent
