#include "agent/memory_peak.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

namespace headrace::agent {
namespace {

std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

bool names(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t end = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, end) == wanted) return true;
    controllers.remove_prefix(std::min(end + 1, controllers.size()));
  }
  return false;
}

}  // namespace

MemoryPeak::MemoryPeak(const std::string& root, const std::string& membership) {
  // Lines `ID:CONTROLLERS:PATH`. In a container the path may be one outside of what is mounted: the mount itself is the group then.
  std::ifstream file(membership);
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1) == "/" ? "" : line.substr(second + 1);
    const bool v1 = names(controllers, "memory");
    if (!v1 && !controllers.empty()) continue;
    const std::string base = v1 ? root + "/memory" : root;
    for (const std::string& folder : {base + path, base}) {
      if (v1) {
        files_.push_back(folder + "/memory.max_usage_in_bytes");
      } else {
        files_.push_back(folder + "/memory.peak");
        files_.push_back(folder + "/memory.current");
      }
    }
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
