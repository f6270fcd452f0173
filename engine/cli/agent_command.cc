#include "cli/agent_command.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "agent/agent.h"
#include "agent/bootstrap.h"
#include "loop/event_loop.h"
#include "loop/signals.h"
#include "loop/worker_pool.h"
#include "store/directory_backend.h"
#include "store/open_backend.h"
#include "wire/agent_spec.h"

extern char** environ;

namespace headrace::cli {
namespace {

constexpr const char* kTerminationLog = "/dev/termination-log";
/// The task's folder below the pod's work folder, as Metaflow names it.
constexpr const char* kTaskFolder = "metaflow";

std::string variable_or(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

/// This executable, as a path that the task can start too, also when it lies in memory only.
std::string own_path() {
  std::error_code code;
  const std::string path = std::filesystem::read_symlink("/proc/self/exe", code).string();
  return !code && std::filesystem::exists(path, code) ? path : fmt::format("/proc/{}/exe", ::getpid());
}

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return variables;
}

Result<agent::Surroundings> surroundings() {
  std::error_code code;
  std::filesystem::path work = variable_or("HEADRACE_WORK", std::filesystem::current_path(code).string());
  agent::Surroundings found{.folder = (work / kTaskFolder).string(),
                            .python = variable_or("HEADRACE_PYTHON", "python3"),
                            .python_version = variable_or("HEADRACE_PYTHON_VERSION", ""),
                            .engine = own_path(),
                            .report = variable_or("HEADRACE_TERMINATION_LOG", kTerminationLog),
                            .environment = environment()};
  std::filesystem::create_directories(found.folder, code);
  if (code) {
    Error error = system_error(code.value(), "the working folder of the task cannot be made").at(found.folder);
    error.next = "HEADRACE_WORK must name a folder that the container's user may write";
    return error;
  }
  // Best in memory, else with the user's code.
  const std::string sdk = variable_or("HEADRACE_CODE", "");
  if (!sdk.empty() && ::access(sdk.c_str(), W_OK) == 0) std::filesystem::create_symlink(sdk, found.folder + "/.mf_code", code);
  return found;
}

Result<wire::AgentSpec> read_spec() {
  const std::string text = HR_TRY(wire::spec_text_from([](const std::string& name) -> const char* { return std::getenv(name.c_str()); }));
  return wire::parse_agent_spec(text);
}

int run_agent(console::Output& out) {
  const std::string report = variable_or("HEADRACE_TERMINATION_LOG", kTerminationLog);
  auto spec = read_spec();
  if (!spec) return agent::cannot_begin(out, report, std::move(spec).error());
  auto here = surroundings();
  if (!here) return agent::cannot_begin(out, report, std::move(here).error());
  auto data = store::open_backend(spec->datastore_type, spec->datastore_root);
  if (!data) return agent::cannot_begin(out, report, std::move(data).error());
  store::DirectoryBackend meta(here->folder + "/.metaflow");
  loop::EventLoop event_loop;
  loop::WorkerPool pool(event_loop, store::pool_threads(spec->datastore_type));
  Random random(std::random_device{}());
  agent::Agent agent(agent::Parts{.loop = event_loop, .pool = pool, .data = **data, .meta = meta, .out = out, .random = random},
                     std::move(*spec), std::move(*here));
  return event_loop.block_on(agent.run());
}

}  // namespace

int agent_command(std::span<const std::string> arguments) {
  if (arguments.size() == 1 && arguments[0] == "--bootstrap") {
    console::Output text(1);
    text.write(agent::bootstrap_text());
    text.drain(2s);
    return text.broken() ? 1 : 0;
  }
  loop::reset_signals(loop::kEndings);
  console::Output out(1);
  const int code = run_agent(out);
  out.drain(2s);
  return code;
}

}  // namespace headrace::cli
