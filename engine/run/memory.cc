#include "run/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace headrace::run {

namespace {

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

std::uint64_t memory_bytes(const ControlGroups& groups) {
  const std::uint64_t machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(machine, memory_limit(groups).value_or(machine));
}

OomWatch::OomWatch() : seen_(count()) {}

std::optional<std::uint64_t> OomWatch::count() {
  // Version 1 does not count what happens in the groups below: there the machine's count stands in.
  for (const std::string& folder : memory_groups()) {
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
