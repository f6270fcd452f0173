#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace headrace::wire {

/// Of an agent that has run nothing because the run's lease had passed.
inline constexpr int kExitLauncherGone = 75;

/// The verdict and transition of an attempt that has committed in a pod.
struct ReportedCommit {
  bool ok = false;
  bool has_transition = false;
  /// Left out where the report would be too long: only a static split has so many, and it always takes all of its branches.
  std::vector<std::string> next;
  bool next_left_out = false;
  std::optional<std::int64_t> splits;
};

/// What a pod's agent leaves in its termination message, rewritten each second: docs/formats/wire.md, section 8.
struct AgentReport {
  std::string stage;          ///< `starting`, `fetching`, `running`, `storing`, `done`
  std::optional<ReportedCommit> committed;
  int exit_code = 0;          ///< of the task as a shell counts, once the stage is `storing`
  int signal = 0;             ///< that ended the task, else 0
  std::int64_t peak_kb = 0;   ///< of the container's memory
  std::uint64_t lines_stored = 0;  ///< all lines up to this sequence number are in the datastore
  std::optional<Error> trouble;    ///< of the agent: no datastore, no code package, a full disk
  std::string python_version;      ///< "3.11.7" of the pod; "" while it is not known
};

/// The kubelet keeps this much of a termination message.
inline constexpr std::size_t kReportBytesMax = 4096;

/// At most kReportBytesMax bytes, on one line: what does not fit is cut, texts first at their ends.
[[nodiscard]] std::string to_text(const AgentReport& report);
/// Error (failed) for anything else: a termination message may come from another program.
Result<AgentReport> parse_agent_report(std::string_view text);

}  // namespace headrace::wire
