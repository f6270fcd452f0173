#include "wire/agent_spec.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace headrace::wire {
namespace {

using codec::find_int;
using codec::find_string;
using codec::get_any;
using codec::get_bool;
using codec::get_int;
using codec::get_object;
using codec::get_string;
using codec::get_strings;
using codec::get_uint;
using codec::Json;

constexpr std::string_view kVariable = "HEADRACE_AGENT_SPEC";
constexpr std::size_t kPieceBytesMax = 96 << 10;
/// The kernel's bound on arguments and environment is 2 MiB where the stack may be 8.
constexpr std::size_t kPiecesMax = 64;
/// A range is written out on reading: a few bytes of text must not become all of the memory.
constexpr std::uint64_t kInputsMax = 10'000'000;

/// The number of a task id that is nothing but a number.
std::optional<std::uint64_t> number_of(const std::string& id) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || std::to_string(number) != id) return std::nullopt;
  return number;
}

Json inputs_to_json(const std::vector<TaskPath>& inputs) {
  Json items = Json::array();
  for (std::size_t i = 0; i < inputs.size();) {
    const auto first = number_of(inputs[i].task.str());
    std::size_t count = 1;
    while (first && i + count < inputs.size() && inputs[i + count].step == inputs[i].step &&
           inputs[i + count].task.str() == std::to_string(*first + count)) {
      ++count;
    }
    Json item = Json::array({inputs[i].step.str(), first ? Json(*first) : Json(inputs[i].task.str())});
    if (count > 1) item.push_back(count);
    items.push_back(std::move(item));
    i += count;
  }
  return items;
}

Error bad_input(const Json& item) {
  return Error{.what = fmt::format("`inputs` has the item {}", codec::dump_json(item).substr(0, 200)),
               .why = "an item is [step, id] or [step, first id, number of tasks]"};
}

Result<std::vector<TaskPath>> inputs_of(const Json& json, const RunId& run) {
  std::vector<TaskPath> inputs;
  for (const Json& item : *HR_TRY(codec::get_array(json, "inputs"))) {
    const bool shaped = item.is_array() && (item.size() == 2 || item.size() == 3) && item[0].is_string();
    if (!shaped) return bad_input(item);
    const StepName step(item[0].get<std::string>());
    if (item[1].is_string() && item.size() == 2) {
      inputs.push_back({.run = run, .step = step, .task = TaskId(item[1].get<std::string>())});
      continue;
    }
    if (!item[1].is_number_unsigned() || (item.size() == 3 && !item[2].is_number_unsigned())) return bad_input(item);
    const auto first = item[1].get<std::uint64_t>();
    const std::uint64_t count = item.size() == 3 ? item[2].get<std::uint64_t>() : 1;
    if (count > kInputsMax - inputs.size()) return bad_input(item);
    for (std::uint64_t i = 0; i < count; ++i) inputs.push_back({.run = run, .step = step, .task = TaskId(std::to_string(first + i))});
  }
  return inputs;
}

std::string_view part_text(ParallelRole part) {
  switch (part) {
    case ParallelRole::none: return "none";
    case ParallelRole::control: return "control";
    case ParallelRole::worker: return "worker";
  }
  return "none";
}

Result<ParallelRole> part_of(const Json& json) {
  const std::string text = HR_TRY(get_string(json, "part"));
  for (const ParallelRole part : {ParallelRole::none, ParallelRole::control, ParallelRole::worker}) {
    if (part_text(part) == text) return part;
  }
  return Error{.what = fmt::format("`part` is `{}`", text)};
}

Result<int> small(const Json& json, std::string_view key, std::int64_t max) {
  const std::int64_t value = HR_TRY(get_int(json, key));
  if (value < 0 || value > max) return Error{.what = fmt::format("`{}` is {}", key, value), .why = fmt::format("it must be 0 to {}", max)};
  return static_cast<int>(value);
}

Result<void> take_run(const Json& json, AgentSpec& spec) {
  spec.flow = HR_TRY(get_string(json, "flow"));
  spec.run = RunId(HR_TRY(get_string(json, "run_id")));
  spec.user = HR_TRY(get_string(json, "user"));
  spec.namespace_ = HR_TRY(get_string(json, "namespace"));
  spec.tags = HR_TRY(get_strings(json, "tags"));
  spec.sys_tags = HR_TRY(get_strings(json, "sys_tags"));
  const Json* datastore = HR_TRY(get_object(json, "datastore"));
  spec.datastore_type = HR_TRY(get_string(*datastore, "type"));
  spec.datastore_root = HR_TRY(get_string(*datastore, "root"));
  spec.sys_version = HR_TRY(get_string(json, "sys_version"));
  spec.origin_run = HR_TRY(find_string(json, "origin_run_id"));
  for (const Json& item : *HR_TRY(codec::get_array(json, "sysmeta"))) {
    spec.fields.push_back({.field = HR_TRY(get_string(item, "field")),
                           .type = HR_TRY(get_string(item, "type")),
                           .value = *HR_TRY(get_any(item, "value")),
                           .tags = {}});
  }
  const Json* code = HR_TRY(get_object(json, "code"));
  spec.code.sha = HR_TRY(get_string(*code, "sha"));
  spec.code.url = HR_TRY(get_string(*code, "url"));
  spec.code.metadata = HR_TRY(get_string(*code, "metadata"));
  return {};
}

Result<void> take_attempt(const Json& json, AgentSpec& spec) {
  spec.step = StepName(HR_TRY(get_string(json, "step")));
  spec.task = TaskId(HR_TRY(get_string(json, "task_id")));
  spec.attempt = HR_TRY(small(json, "attempt", kAttemptsMax - 1));
  spec.try_number = HR_TRY(small(json, "try", 1'000'000));
  spec.max_user_code_retries = HR_TRY(small(json, "max_user_code_retries", kAttemptsMax - 1));
  spec.split_index = HR_TRY(find_int(json, "split_index"));
  spec.join = HR_TRY(get_bool(json, "join"));
  spec.inputs = HR_TRY(inputs_of(json, spec.run));
  spec.parameters = {.run = spec.run, .step = StepName("_parameters"), .task = TaskId(HR_TRY(get_string(json, "parameters_task")))};
  spec.part = HR_TRY(part_of(json));
  spec.num_parallel = HR_TRY(get_int(json, "num_parallel"));
  spec.node_index = HR_TRY(get_int(json, "node_index"));
  spec.control_task = HR_TRY(get_string(json, "control_task"));
  return {};
}

Result<AgentSpec> parse(std::string_view text) {
  const Json json = HR_TRY(codec::parse_json(text, "the agent's spec"));
  const std::int64_t wire = HR_TRY(get_int(json, "wire"));
  if (wire != kWireVersion) {
    return Error{.what = "the agent and the run are of different versions",
                 .why = fmt::format("the agent speaks wire version {}, the run {}", kWireVersion, wire),
                 .next = "start the run again: each version of Headrace brings its own agent"};
  }
  AgentSpec spec;
  HR_TRY(take_run(json, spec));
  HR_TRY(take_attempt(json, spec));
  spec.command = HR_TRY(get_strings(json, "command"));
  if (spec.command.empty()) return Error{.what = "`command` is empty"};
  spec.configs = HR_TRY(find_string(json, "configs")).value_or("");
  const Json* environment = HR_TRY(get_object(json, "environment"));
  for (const auto& [name, value] : environment->items()) spec.environment[name] = HR_TRY(get_string(*environment, name));
  spec.log_bytes_max = HR_TRY(get_uint(json, "log_bytes_max"));
  spec.grace_s = HR_TRY(small(json, "grace_s", 86'400));
  spec.lease_s = HR_TRY(small(json, "lease_s", 86'400));
  return spec;
}

}  // namespace

std::string to_text(const AgentSpec& spec) {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json fields = Json::array();
  for (const MetadataField& field : spec.fields) {
    fields.push_back(Json{{"field", field.field}, {"type", field.type}, {"value", field.value}});
  }
  return codec::dump_json(Json{
      {"wire", kWireVersion},
      {"flow", spec.flow},
      {"run_id", spec.run.str()},
      {"user", spec.user},
      {"namespace", spec.namespace_},
      {"tags", spec.tags},
      {"sys_tags", spec.sys_tags},
      {"datastore", Json{{"type", spec.datastore_type}, {"root", spec.datastore_root}}},
      {"sys_version", spec.sys_version},
      {"origin_run_id", or_null(spec.origin_run)},
      {"sysmeta", fields},
      {"code", Json{{"sha", spec.code.sha}, {"url", spec.code.url}, {"metadata", spec.code.metadata}}},
      {"step", spec.step.str()},
      {"task_id", spec.task.str()},
      {"attempt", spec.attempt},
      {"try", spec.try_number},
      {"max_user_code_retries", spec.max_user_code_retries},
      {"split_index", or_null(spec.split_index)},
      {"join", spec.join},
      {"inputs", inputs_to_json(spec.inputs)},
      {"parameters_task", spec.parameters.task.str()},
      {"part", part_text(spec.part)},
      {"num_parallel", spec.num_parallel},
      {"node_index", spec.node_index},
      {"control_task", spec.control_task},
      {"command", spec.command},
      {"configs", spec.configs.empty() ? Json(nullptr) : Json(spec.configs)},
      {"environment", spec.environment},
      {"log_bytes_max", spec.log_bytes_max},
      {"grace_s", spec.grace_s},
      {"lease_s", spec.lease_s},
  });
}

Result<AgentSpec> parse_agent_spec(std::string_view text) {
  auto spec = parse(text);
  if (spec) return spec;
  Error error = std::move(spec).error();
  error.kind = Kind::misuse;
  return std::move(error).at("the agent's spec");
}

std::map<std::string, std::string> to_environment(std::string_view text) {
  std::map<std::string, std::string> variables;
  if (text.size() <= kPieceBytesMax) return {{std::string(kVariable), std::string(text)}};
  for (std::size_t i = 0; !text.empty(); ++i) {
    variables[fmt::format("{}_{}", kVariable, i)] = text.substr(0, kPieceBytesMax);
    text.remove_prefix(std::min(kPieceBytesMax, text.size()));
  }
  return variables;
}

Result<std::string> spec_text_from(const std::function<const char*(const std::string&)>& variable) {
  if (const char* whole = variable(std::string(kVariable))) return std::string(whole);
  std::string text;
  for (std::size_t i = 0; i < kPiecesMax; ++i) {
    const char* piece = variable(fmt::format("{}_{}", kVariable, i));
    if (piece == nullptr) break;
    text += piece;
  }
  if (!text.empty()) return text;
  return Error{.kind = Kind::misuse,
               .what = "the agent was not told what to run",
               .why = fmt::format("{} is not in its environment", kVariable),
               .next = "`headrace agent` is started in a pod by a run; there is no use for it on its own"};
}

}  // namespace headrace::wire
