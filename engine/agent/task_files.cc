#include "agent/task_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "agent/agent.h"
#include "loop/unique_fd.h"

namespace headrace::agent {
namespace {

/// Hidden, as the package's own folders are.
constexpr std::string_view kConfigsFile = ".mf_meta/RUN_CONFIG";

Result<void> write_file(const std::string& path, std::string_view text) {
  const loop::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return system_error(errno, "the values of the flow's configs cannot be written").at(path);
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(errno, "the values of the flow's configs cannot be written").at(path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

bool only_for_the_agent(std::string_view name) {
  return name.starts_with("HEADRACE_AGENT_") || name == "HEADRACE_PYTHON" || name == "HEADRACE_PYTHON_VERSION";
}

}  // namespace

Result<std::vector<std::string>> task_command(const TaskFiles& files) {
  // Compiled modules would die with the pod: they are not written (-B).
  std::vector<std::string> command{files.surroundings.python, "-u", "-B"};
  command.insert(command.end(), files.spec.command.begin(), files.spec.command.end());
  if (!files.spec.configs.empty()) {
    const std::string path = fmt::format("{}/{}", files.surroundings.folder, kConfigsFile);
    HR_TRY(write_file(path, files.spec.configs));
    command.insert(command.end(), {"--local-config-file", path});
  }
  command.insert(command.end(), {"step", files.spec.step.str()});
  return command;
}

std::map<std::string, std::string> task_environment(const TaskFiles& files, int door) {
  const std::string& folder = files.surroundings.folder;
  std::map<std::string, std::string> variables;
  for (const auto& [name, value] : files.surroundings.environment) {
    if (!only_for_the_agent(name)) variables[name] = value;
  }
  for (const auto& [name, value] : files.spec.environment) variables[name] = value;
  std::string& path = variables["PYTHONPATH"];
  path = path.empty() ? folder + "/.mf_code" : folder + "/.mf_code:" + path;
  variables["METAFLOW_EXTRACTED_ROOT"] = folder;
  variables["PYTHONUNBUFFERED"] = "x";
  variables["HEADRACE_ENGINE"] = files.surroundings.engine;
  variables["HEADRACE_DOOR"] = std::to_string(door);
  return variables;
}

}  // namespace headrace::agent
