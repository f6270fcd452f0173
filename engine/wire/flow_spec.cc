#include "wire/flow_spec.h"

#include <utility>

#include <fmt/format.h>

#include "wire/memory_file.h"

namespace headrace::wire {
namespace {

using codec::find_int;
using codec::find_number;
using codec::find_object;
using codec::find_string;
using codec::get_array;
using codec::get_bool;
using codec::get_int;
using codec::get_object;
using codec::get_string;
using codec::get_strings;
using codec::get_uint;
using codec::Json;

/// A year: a longer one is a mistake, and would not fit the clock's arithmetic for ever.
constexpr std::int64_t kRetryWaitMax = 366 * 24 * 3600;

Error misuse(std::string what, std::string why = {}) {
  return Error{.kind = Kind::misuse, .what = std::move(what), .why = std::move(why)};
}

Result<bool> bool_or_false(const Json& object, std::string_view key) {
  return HR_TRY(codec::find_bool(object, key)).value_or(false);
}

Result<int> retries(const Json& object, std::string_view key) {
  const std::int64_t value = HR_TRY(find_int(object, key)).value_or(0);
  if (value < 0 || value > kAttemptsMax) return misuse(fmt::format("`{}` is {}", key, value), fmt::format("it must be 0 to {}", kAttemptsMax - 1));
  return static_cast<int>(value);
}

Result<std::optional<flow::Resources>> resources(const Json& step) {
  const Json* found = HR_TRY(find_object(step, "resources"));
  if (found == nullptr) return std::optional<flow::Resources>();
  return std::optional(flow::Resources{.cpu = HR_TRY(codec::get_number(*found, "cpu")), .memory_mb = HR_TRY(get_int(*found, "memory_mb"))});
}

Result<flow::StepSpec> step_spec(const Json& json) {
  flow::StepSpec step;
  step.name = HR_TRY(get_string(json, "name"));
  const std::string kind = HR_TRY(get_string(json, "kind"));
  const auto known = flow::step_kind_from(kind);
  if (!known) return misuse(fmt::format("step `{}` is of the kind `{}`", step.name, kind), "the engine knows no such kind of step");
  step.kind = *known;
  step.join = HR_TRY(bool_or_false(json, "join"));
  step.next = HR_TRY(get_strings(json, "next"));
  step.foreach_var = HR_TRY(find_string(json, "foreach_var"));
  step.matching_join = HR_TRY(find_string(json, "matching_join"));
  step.split_parents = HR_TRY(get_strings(json, "split_parents"));
  step.user_retries = HR_TRY(retries(json, "user_retries"));
  step.fallback_retries = HR_TRY(retries(json, "fallback_retries"));
  step.timeout_s = HR_TRY(find_number(json, "timeout_s"));
  step.fresh = HR_TRY(bool_or_false(json, "fresh"));
  if (const Json* environment = HR_TRY(find_object(json, "environment"))) {
    for (const auto& [name, value] : environment->items()) step.environment[name] = HR_TRY(get_string(*environment, name));
  }
  step.resources = HR_TRY(resources(json));
  const std::string backend = HR_TRY(find_string(json, "backend")).value_or("local");
  const auto place = flow::backend_from(backend);
  if (!place) return misuse(fmt::format("step `{}` is to run on `{}`", step.name, backend), "the engine knows no such backend");
  step.backend = *place;
  const std::int64_t wait = HR_TRY(find_int(json, "retry_wait_s")).value_or(0);
  if (wait < 0 || wait > kRetryWaitMax) return misuse(fmt::format("`retry_wait_s` is {}", wait), fmt::format("it must be 0 to {}", kRetryWaitMax));
  step.retry_wait_s = static_cast<int>(wait);
  return step;
}

Result<flow::Graph> graph_of(const Json& body) {
  const Json* graph = HR_TRY(get_object(body, "graph"));
  std::vector<flow::StepSpec> steps;
  for (const Json& item : *HR_TRY(get_array(*graph, "steps"))) {
    auto step = step_spec(item);
    if (!step) return std::move(step).error().at(fmt::format("step number {} of the graph", steps.size() + 1));
    steps.push_back(std::move(*step));
  }
  return flow::Graph::make(std::move(steps), HR_TRY(get_string(*graph, "start")), HR_TRY(get_string(*graph, "end")));
}

Result<std::map<flow::StepIndex, PodSettings>> pods_of(const Json& body, const flow::Graph& graph) {
  std::map<flow::StepIndex, PodSettings> pods;
  const Json* graph_json = HR_TRY(get_object(body, "graph"));
  for (const Json& step : *HR_TRY(get_array(*graph_json, "steps"))) {
    const std::string name = HR_TRY(get_string(step, "name"));
    const flow::StepIndex index = *graph.find(name);
    const Json* settings = HR_TRY(find_object(step, "kubernetes"));
    if ((graph.step(index).backend == flow::Backend::kubernetes) != (settings != nullptr)) {
      return misuse(fmt::format("step `{}` has {} `kubernetes`", graph.name(index), settings == nullptr ? "no" : "a field"),
                    "it is there exactly for a step that runs on Kubernetes");
    }
    if (settings == nullptr) continue;
    auto parsed = parse_pod_settings(*settings);
    if (!parsed) return std::move(parsed).error().at(fmt::format("step `{}`", graph.name(index)));
    pods.emplace(index, std::move(*parsed));
  }
  return pods;
}

Result<flow::Limits> limits_of(const Json& body) {
  const Json* json = HR_TRY(get_object(body, "limits"));
  const std::int64_t workers = HR_TRY(get_int(*json, "max_workers"));
  if (workers < 1 || workers > 1'000'000) return misuse(fmt::format("--max-workers is {}", workers), "it must be 1 or more");
  const flow::Limits limits{.max_workers = static_cast<int>(workers),
                            .max_num_splits = HR_TRY(get_int(*json, "max_num_splits")),
                            .max_log_bytes = HR_TRY(get_int(*json, "max_log_bytes"))};
  if (limits.max_log_bytes < 0) return misuse(fmt::format("--max-log-size is {} bytes", limits.max_log_bytes), "it must be 0 or more");
  return limits;
}

/// The pickles stand one after another in the payload, which then holds what follows them.
Result<std::vector<ParameterValue>> parameters_of(const Json& body, std::string_view& payload) {
  std::vector<ParameterValue> parameters;
  for (const Json& item : *HR_TRY(get_array(body, "parameters"))) {
    ParameterValue value;
    value.name = HR_TRY(get_string(item, "name"));
    value.type = HR_TRY(get_string(item, "type"));
    value.encoding = HR_TRY(get_string(item, "encoding"));
    const std::uint64_t size = HR_TRY(get_uint(item, "size"));
    if (size > payload.size()) return misuse(fmt::format("the value of parameter `{}` is cut off", value.name));
    value.pickle = payload.substr(0, size);
    payload.remove_prefix(size);
    parameters.push_back(std::move(value));
  }
  return parameters;
}

/// The code package is the end of the payload.
Result<std::optional<PodRun>> pod_run_of(const Json& body, std::string_view& payload) {
  const Json* json = HR_TRY(find_object(body, "pods"));
  if (json == nullptr) return std::optional<PodRun>();
  PodRun run;
  const Json* environment = HR_TRY(get_object(*json, "environment"));
  for (const auto& [name, value] : environment->items()) run.environment[name] = HR_TRY(get_string(*environment, name));
  run.command = HR_TRY(get_strings(*json, "command"));
  run.configs = HR_TRY(get_string(*json, "configs"));
  const Json* package = HR_TRY(get_object(*json, "code_package"));
  run.package_metadata = HR_TRY(get_string(*package, "metadata"));
  const std::uint64_t size = HR_TRY(get_uint(*package, "size"));
  if (size > payload.size()) return misuse("the code package is cut off");
  run.package = payload.substr(0, size);
  payload.remove_prefix(size);
  return std::optional(std::move(run));
}

/// A run with pods must know what they have in common; a spin runs every step locally, and init none.
Result<void> check_pods(const RunSpec& spec) {
  if (spec.pods.empty() || spec.pod_run || spec.command == RunCommand::spin || spec.command == RunCommand::init) return {};
  return misuse("`pods` is not there", fmt::format("step `{}` runs on Kubernetes", spec.graph.name(spec.pods.begin()->first)));
}

Result<flow::StepIndex> step_named(const flow::Graph& graph, const std::string& name) {
  if (const auto found = graph.find(name)) return *found;
  return misuse(fmt::format("the flow has no step `{}`", name));
}

Result<std::optional<ResumeSpec>> resume_of(const Json& body, const flow::Graph& graph) {
  const Json* json = HR_TRY(find_object(body, "resume"));
  if (json == nullptr) return std::optional<ResumeSpec>();
  ResumeSpec resume;
  resume.origin_run_id = HR_TRY(get_string(*json, "origin_run_id"));
  const std::vector<std::string> rerun = HR_TRY(get_strings(*json, "rerun"));
  for (const std::string& name : rerun) resume.rerun.push_back(HR_TRY(step_named(graph, name)));
  resume.run_id = HR_TRY(find_string(*json, "run_id"));
  resume.clone_only = HR_TRY(bool_or_false(*json, "clone_only"));
  resume.reentrant_as = HR_TRY(find_string(*json, "reentrant_as"));
  if (resume.reentrant_as && !(resume.clone_only && resume.run_id)) return misuse("`reentrant_as` is there without `clone_only` and `run_id`");
  return std::optional(std::move(resume));
}

Result<std::optional<SpinSpec>> spin_of(const Json& body, const flow::Graph& graph) {
  const Json* json = HR_TRY(find_object(body, "spin"));
  if (json == nullptr) return std::optional<SpinSpec>();
  SpinSpec spin;
  const std::string step = HR_TRY(get_string(*json, "step"));
  spin.step = HR_TRY(step_named(graph, step));
  spin.inputs = HR_TRY(get_strings(*json, "inputs"));
  spin.input_root = HR_TRY(get_string(*json, "input_root"));
  spin.runs_root = HR_TRY(get_string(*json, "runs_root"));
  spin.split_index = HR_TRY(find_int(*json, "split_index"));
  return std::optional(std::move(spin));
}

Result<std::optional<InitSpec>> init_of(const Json& body) {
  const Json* json = HR_TRY(find_object(body, "init"));
  if (json == nullptr) return std::optional<InitSpec>();
  InitSpec init;
  init.run_id = HR_TRY(get_string(*json, "run_id"));
  init.task_id = HR_TRY(get_string(*json, "task_id"));
  return std::optional(std::move(init));
}

Result<RunCommand> command_of(const Json& body) {
  const std::string command = HR_TRY(get_string(body, "command"));
  if (command == "run") return RunCommand::run;
  if (command == "resume") return RunCommand::resume;
  if (command == "spin") return RunCommand::spin;
  if (command == "init") return RunCommand::init;
  return misuse(fmt::format("the command is `{}`", command), "the engine runs, resumes, spins and initializes");
}

Result<std::vector<MetadataField>> sysmeta_of(const Json& body) {
  std::vector<MetadataField> fields;
  for (const Json& item : *HR_TRY(get_array(body, "sysmeta"))) {
    fields.push_back({.field = HR_TRY(get_string(item, "field")),
                      .type = HR_TRY(get_string(item, "type")),
                      .value = *HR_TRY(codec::get_any(item, "value")),
                      .tags = {}});
  }
  return fields;
}

Result<std::vector<IncludedFile>> includes_of(const Json& body) {
  std::vector<IncludedFile> files;
  for (const Json& item : *HR_TRY(get_array(body, "includes"))) {
    IncludedFile file;
    file.path = HR_TRY(get_string(item, "path"));
    file.sha = HR_TRY(get_string(item, "sha"));
    file.url = HR_TRY(get_string(item, "url"));
    files.push_back(std::move(file));
  }
  return files;
}

Result<RunSpec> run_spec(const Frame& frame) {
  const Json& body = frame.body;
  const std::int64_t wire = HR_TRY(get_int(body, "wire"));
  if (wire != kWireVersion) {
    return Error{.kind = Kind::misuse,
                 .what = "engine and SDK are of different versions",
                 .why = fmt::format("the engine speaks wire version {}, the SDK {}", kWireVersion, wire),
                 .next = "reinstall headrace; if HEADRACE_ENGINE is set, it must point to the engine of this SDK"};
  }
  flow::Graph graph = HR_TRY(graph_of(body));
  const Json* datastore = HR_TRY(get_object(body, "datastore"));
  auto resume = HR_TRY(resume_of(body, graph));
  auto spin = HR_TRY(spin_of(body, graph));
  auto init = HR_TRY(init_of(body));
  RunSpec spec{.graph = std::move(graph)};
  spec.command = HR_TRY(command_of(body));
  spec.flow = HR_TRY(get_string(body, "flow"));
  spec.script = HR_TRY(get_string(body, "script"));
  spec.user = HR_TRY(get_string(body, "user"));
  spec.namespace_ = HR_TRY(find_string(body, "namespace")).value_or("");
  spec.tags = HR_TRY(get_strings(body, "tags"));
  spec.sys_tags = HR_TRY(get_strings(body, "sys_tags"));
  spec.sysmeta = HR_TRY(sysmeta_of(body));
  spec.sys_version = HR_TRY(find_string(body, "sys_version")).value_or("");
  spec.datastore_type = HR_TRY(get_string(*datastore, "type"));
  spec.datastore_root = HR_TRY(get_string(*datastore, "root"));
  spec.metadata_root = HR_TRY(get_string(body, "metadata_root"));
  spec.run_id_file = HR_TRY(find_string(body, "run_id_file"));
  spec.runner_attribute_file = HR_TRY(find_string(body, "runner_attribute_file"));
  spec.ui_url = HR_TRY(find_string(body, "ui_url")).value_or("");
  spec.limits = HR_TRY(limits_of(body));
  spec.pods = HR_TRY(pods_of(body, spec.graph));
  std::string_view payload = frame.payload;
  spec.parameters = HR_TRY(parameters_of(body, payload));
  spec.pod_run = HR_TRY(pod_run_of(body, payload));
  if (!payload.empty()) return misuse(fmt::format("{} bytes follow after the last part of the payload", payload.size()));
  spec.includes = HR_TRY(includes_of(body));
  spec.resume = std::move(resume);
  spec.spin = std::move(spin);
  spec.init = std::move(init);
  if ((spec.command == RunCommand::resume) != spec.resume.has_value()) return misuse("`resume` is there exactly for the command resume");
  if ((spec.command == RunCommand::spin) != spec.spin.has_value()) return misuse("`spin` is there exactly for the command spin");
  if ((spec.command == RunCommand::init) != spec.init.has_value()) return misuse("`init` is there exactly for the command init");
  HR_TRY(check_pods(spec));
  return spec;
}

}  // namespace

std::string_view to_string(RunCommand command) {
  switch (command) {
    case RunCommand::run: return "run";
    case RunCommand::resume: return "resume";
    case RunCommand::spin: return "spin";
    case RunCommand::init: return "init";
  }
  return "run";
}

Result<RunSpec> parse_run_spec(const Frame& frame) {
  auto spec = run_spec(frame);
  if (spec) return spec;
  Error error = std::move(spec).error();
  error.kind = Kind::misuse;
  if (error.next.empty()) error.next = "engine and SDK must come from one installation: reinstall headrace";
  return std::move(error).at("the flow spec");
}

Result<RunSpec> parse_run_spec(std::string_view bytes) {
  auto frame = decode_frame(bytes);
  if (!frame) return std::move(frame).error().at("the flow spec");
  return parse_run_spec(*frame);
}

Result<RunSpec> read_run_spec(int fd) {
  const std::string bytes = HR_TRY(read_memory_file(fd, "the flow spec"));
  return parse_run_spec(bytes);
}

}  // namespace headrace::wire
