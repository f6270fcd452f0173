#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headrace {

/// Where the kernel tells about control groups, of version 2 and of version 1.
struct ControlGroups {
  std::string root = "/sys/fs/cgroup";
  std::string membership = "/proc/self/cgroup";
};

/// The folders of the groups that may limit this process's memory, each before those above it. A folder need not exist: in a
/// container the path may name one outside of what is mounted, and the mount itself is then the container's own group.
[[nodiscard]] std::vector<std::string> memory_groups(const ControlGroups& groups = {});

/// The number that a file of a group holds; nullopt for `max`, and where there is none.
[[nodiscard]] std::optional<std::uint64_t> number_in_group_file(const std::string& path);

/// The least limit of memory of these groups, in bytes; nullopt if none has one.
[[nodiscard]] std::optional<std::uint64_t> memory_limit(const ControlGroups& groups = {});

}  // namespace headrace
