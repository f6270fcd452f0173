#include "base/control_groups.h"

#include <algorithm>
#include <charconv>
#include <fstream>

namespace headrace {

std::optional<std::uint64_t> number_in_group_file(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::uint64_t number = 0;
  if (!(file >> text) || std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) return std::nullopt;
  return number;
}

std::vector<std::string> memory_groups(const ControlGroups& groups) {
  std::vector<std::string> folders;
  std::ifstream file(groups.membership);
  std::string line;
  while (std::getline(file, line)) {  // `0::/path`, or `4:memory:/path` of version 1
    const std::size_t controllers = line.find(':') + 1;
    const std::size_t path = line.find(':', controllers);
    if (controllers == 0 || path == std::string::npos) continue;
    const std::string names = line.substr(controllers, path - controllers);
    if (!names.empty() && ("," + names + ",").find(",memory,") == std::string::npos) continue;
    const std::string base = names.empty() ? groups.root : groups.root + "/memory";
    for (std::string folder = base + line.substr(path + 1); folder.size() >= base.size(); folder.resize(folder.find_last_of('/'))) {
      folders.push_back(folder);
    }
  }
  return folders;
}

std::optional<std::uint64_t> memory_limit(const ControlGroups& groups) {
  std::optional<std::uint64_t> least;
  for (const std::string& folder : memory_groups(groups)) {
    for (const char* name : {"/memory.max", "/memory.limit_in_bytes"}) {
      if (const auto limit = number_in_group_file(folder + name)) least = std::min(least.value_or(*limit), *limit);
    }
  }
  return least;
}

}  // namespace headrace
