#include "agent/assignment.h"

#include <utility>

#include <fmt/format.h>

namespace headrace::agent {
namespace {

/// `3.11.7` of `3.11.7 (main, ...) [GCC 12.2.0]`.
std::string number_of(const std::string& sys_version) { return sys_version.substr(0, sys_version.find(' ')); }

/// `3.11`.
std::string minor_of(const std::string& sys_version) {
  const std::string number = number_of(sys_version);
  return number.substr(0, number.find('.', number.find('.') + 1));
}

}  // namespace

attempt::RunFacts facts_of(const wire::AgentSpec& spec, const std::string& python_version, std::string metadata_root) {
  attempt::RunFacts facts = attempt::facts_of(spec, spec.fields, std::move(metadata_root));
  facts.identity.run = spec.run;
  if (!spec.code.sha.empty()) {
    facts.identity.package = store::PackageRecord{.sha = spec.code.sha, .url = spec.code.url, .metadata = spec.code.metadata};
  }
  facts.origin_run = spec.origin_run;
  if (spec.origin_run) facts.identity.origin_run_id = *spec.origin_run;
  if (python_version.empty()) return facts;
  facts.sys_version = python_version;
  for (store::Field& field : facts.fields) {
    if (field.name == "python_version") field.value = number_of(python_version);
  }
  return facts;
}

attempt::Assignment assignment_of(const wire::AgentSpec& spec) {
  return attempt::Assignment{
      .path = {.task = {.run = spec.run, .step = spec.step, .task = spec.task}, .attempt = spec.attempt},
      .max_user_code_retries = spec.max_user_code_retries,
      .split_index = spec.split_index,
      .join = spec.join,
      .inputs = spec.inputs,
      .parameters = spec.parameters,
      .part = spec.part,
      .num_parallel = spec.num_parallel,
      .node_index = spec.node_index,
      .control_task = spec.control_task,
  };
}

std::optional<std::string> other_python_warning(const std::string& launcher, const std::string& here) {
  if (launcher.empty() || here.empty() || minor_of(launcher) == minor_of(here)) return std::nullopt;
  return fmt::format(
      "headrace: this pod runs Python {}, and the run was started with Python {}: objects that one stores may not load in the other. "
      "To have the same, use an image with Python {}, as @kubernetes(image=\"python:{}\").",
      minor_of(here), minor_of(launcher), minor_of(launcher), minor_of(launcher));
}

}  // namespace headrace::agent
