#pragma once

#include <string>

#include "base/result.h"
#include "launch/host_launcher.h"

namespace headrace::launch {

/// A datagram of the task host, checked.
struct HostMessage {
  enum class Op { ready, started, start_failed, exited };
  Op op = Op::ready;
  std::uint64_t id = 0;
  HostInfo host;  ///< ready
  pid_t pid = 0;  ///< started
  bool fresh = false;
  std::string reason;
  Error failure;  ///< start_failed
  TaskExit exit;  ///< exited
};

Result<HostMessage> parse_host_message(const std::string& bytes);
[[nodiscard]] std::string start_message(std::uint64_t id, const TaskStart& task);
[[nodiscard]] std::string finish_message(const std::string& run, bool successful);

}  // namespace headrace::launch
