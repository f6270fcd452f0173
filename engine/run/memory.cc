#include "run/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

namespace headrace::run {

namespace {

/// The folder of this process's control group (version 2); empty if there is none.
std::string cgroup_folder() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("0::", 0) == 0) return "/sys/fs/cgroup" + line.substr(3);
  }
  return {};
}

/// The number after `name ` at the start of a line.
std::optional<std::uint64_t> number_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string key;
  std::uint64_t value = 0;
  while (file >> key >> value) {
    if (key == name) return value;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t memory_bytes() {
  std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (std::string folder = cgroup_folder(); folder.size() >= std::string("/sys/fs/cgroup").size();
       folder.resize(folder.find_last_of('/'))) {
    std::ifstream file(folder + "/memory.max");
    std::string text;
    std::uint64_t limit = 0;
    if (file >> text && std::from_chars(text.data(), text.data() + text.size(), limit).ec == std::errc{}) {
      bytes = std::min(bytes, limit);
    }
  }
  return bytes;
}

OomWatch::OomWatch() : seen_(count()) {}

std::optional<std::uint64_t> OomWatch::count() {
  std::string folder = cgroup_folder();
  if (!folder.empty()) {
    if (auto kills = number_in(folder + "/memory.events", "oom_kill")) return kills;
  }
  return number_in("/proc/vmstat", "oom_kill");
}

bool OomWatch::killed_since() {
  std::optional<std::uint64_t> now = count();
  bool more = now && seen_ && *now > *seen_;
  seen_ = now;
  return more;
}

}  // namespace headrace::run
