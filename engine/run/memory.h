#pragma once

#include <cstdint>
#include <optional>

#include "base/control_groups.h"

namespace headrace::run {

/// Bytes of memory that processes here can have: of the machine, or less if a control group on the way up has a limit.
[[nodiscard]] std::uint64_t memory_bytes(const ControlGroups& groups = {});

/// Whether the kernel's out-of-memory killer was at work: the count of the control group's `memory.events`, else of the machine.
class OomWatch {
 public:
  OomWatch();
  /// True if it has killed something since the last call (or the start).
  [[nodiscard]] bool killed_since();

 private:
  [[nodiscard]] static std::optional<std::uint64_t> count();
  std::optional<std::uint64_t> seen_;
};

}  // namespace headrace::run
