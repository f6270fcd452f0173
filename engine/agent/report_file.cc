#include "agent/report_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace headrace::agent {

ReportFile::ReportFile(const std::string& path) : path_(path) {
  file_ = loop::UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file_) open_error_ = errno;
}

Result<void> ReportFile::write(const wire::AgentReport& report) {
  if (!file_ && open_error_ == ENOENT) return {};
  if (!file_) return system_error(open_error_, "the report of the agent cannot be written").at(path_);
  std::string text = wire::to_text(report);
  const std::size_t size = text.size();
  // Blanks over the rest of a longer report; JSON may be followed by them.
  if (size < written_) text.append(written_ - size, ' ');
  const ssize_t wrote = ::pwrite(file_.get(), text.data(), text.size(), 0);
  if (wrote != static_cast<ssize_t>(text.size())) {
    return system_error(wrote < 0 ? errno : ENOSPC, "the report of the agent cannot be written").at(path_);
  }
  written_ = text.size();
  return {};
}

}  // namespace headrace::agent
