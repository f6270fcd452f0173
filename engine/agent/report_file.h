#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "loop/unique_fd.h"
#include "wire/agent_report.h"

namespace headrace::agent {

/// The termination message of a container: one file that the kubelet has made and mounted, and reads when the container has ended.
///
/// Each report is one write over the whole of the former one, so that a kill at any moment leaves a report that can be read.
class ReportFile {
 public:
  /// Without such a file (nobody wants a report) nothing is written.
  explicit ReportFile(const std::string& path);

  /// Error when there is a file that cannot be written.
  Result<void> write(const wire::AgentReport& report);

 private:
  std::string path_;
  loop::UniqueFd file_;
  int open_error_ = 0;
  std::size_t written_ = 0;
};

}  // namespace headrace::agent
