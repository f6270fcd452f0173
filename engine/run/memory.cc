#include "run/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <vector>

namespace headrace::run {

namespace {

/// The folders of the memory groups that this process is in, each before those above it. In a container the path may name one
/// outside of what is mounted; the mount itself is then the container's own group.
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
    const std::string base = names.empty() ? groups.root : groups.root + "/" + names;
    for (std::string folder = base + line.substr(path + 1); folder.size() >= base.size(); folder.resize(folder.find_last_of('/'))) {
      folders.push_back(folder);
    }
  }
  return folders;
}

/// A file that is a number; nullopt for `max` and for what is not there.
std::optional<std::uint64_t> limit_in(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::uint64_t limit = 0;
  if (!(file >> text) || std::from_chars(text.data(), text.data() + text.size(), limit).ec != std::errc{}) return std::nullopt;
  return limit;
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

std::uint64_t memory_bytes(const ControlGroups& groups) {
  std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const std::string& folder : memory_groups(groups)) {
    for (const char* name : {"/memory.max", "/memory.limit_in_bytes"}) {
      bytes = std::min(bytes, limit_in(folder + name).value_or(bytes));
    }
  }
  return bytes;
}

OomWatch::OomWatch() : seen_(count()) {}

std::optional<std::uint64_t> OomWatch::count() {
  // Version 1 does not count what happens in the groups below: there the machine's count stands in.
  for (const std::string& folder : memory_groups({})) {
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
