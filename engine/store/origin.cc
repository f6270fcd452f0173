#include "store/origin.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>

#include "base/check.h"
#include "base/together.h"
#include "codec/pickle.h"
#include "store/reader.h"

namespace headrace::store {
namespace {

using codec::PicklePtr;

constexpr std::string_view kParameters = "_parameters";

/// Control artifacts are few and small; what is larger is not one.
constexpr std::int64_t kControlArtifactMax = 1 << 20;

Error not_understood(const std::string& artifact, std::string why) {
  return Error{.kind = Kind::failed,
               .what = fmt::format("artifact `{}` is not what a flow stores there", artifact),
               .where = {},
               .why = std::move(why),
               .next = "the task will run again"};
}

/// Reads control artifacts of one run. Most tasks share them (True, None, []), so each blob is kept. Any thread.
class ControlArtifacts {
 public:
  ControlArtifacts(Backend& data, const FlowName& flow) : blobs_(data, flow) {}

  /// nullptr if the task has no such artifact.
  Result<PicklePtr> get(const OriginTask& task, const std::string& name) {
    const Artifact* artifact = task.manifest.find(name);
    if (artifact == nullptr) return PicklePtr{};
    if (const PicklePtr known = seen(artifact->key)) return known;
    if (artifact->size > kControlArtifactMax) return not_understood(name, fmt::format("it has {} bytes", artifact->size));
    const std::string bytes = HR_TRY(blobs_.get(artifact->key, {.name = name, .path = task.path.str()}));
    auto value = codec::read_pickle(bytes);
    if (!value) return not_understood(name, value.error().what);
    const std::lock_guard lock{mutex_};
    seen_.emplace(artifact->key.str(), *value);
    return *std::move(value);
  }

  Result<std::vector<PicklePtr>> items(const OriginTask& task, const std::string& name) {
    const PicklePtr value = HR_TRY(get(task, name));
    if (!value || value->is_none()) return std::vector<PicklePtr>{};
    return codec::pickled_items(value);
  }

 private:
  PicklePtr seen(const BlobKey& key) {
    const std::lock_guard lock{mutex_};
    const auto known = seen_.find(key.str());
    return known == seen_.end() ? PicklePtr{} : known->second;
  }

  BlobStore blobs_;
  std::mutex mutex_;
  std::unordered_map<std::string, PicklePtr> seen_;
};

/// The index of a ForeachFrame: a named tuple of step, var, num_splits, index, value.
Result<int> frame_index(const PicklePtr& frame) {
  const std::vector<PicklePtr>* fields = nullptr;
  if (const auto* object = frame->get<codec::PickleObject>()) fields = &object->args;
  if (const auto* tuple = frame->get<codec::PickleTuple>()) fields = &tuple->items;
  if (fields == nullptr || fields->size() < 4) return not_understood("_foreach_stack", "it holds no frames");
  return static_cast<int>(HR_TRY(codec::pickled_int((*fields)[3])));
}

Result<std::optional<std::int64_t>> num_parallel(ControlArtifacts& control, const OriginTask& task) {
  const PicklePtr iterator = HR_TRY(control.get(task, "_parallel_ubf_iter"));
  const auto* object = iterator ? iterator->get<codec::PickleObject>() : nullptr;
  const auto* state = object != nullptr && object->state ? object->state->get<codec::PickleDict>() : nullptr;
  if (state == nullptr) return std::optional<std::int64_t>{};
  for (const auto& [key, value] : state->items) {
    const auto* name = key->get<std::string>();
    if (name != nullptr && *name == "num_parallel") return std::optional<std::int64_t>{HR_TRY(codec::pickled_int(value))};
  }
  return std::optional<std::int64_t>{};
}

Result<void> read_transition(ControlArtifacts& control, OriginTask& task) {
  const std::vector<PicklePtr> transition = HR_TRY(control.items(task, "_transition"));
  if (transition.empty()) return {};
  const std::vector<PicklePtr> steps = HR_TRY(codec::pickled_items(transition[0]));
  for (const PicklePtr& step : steps) task.next.push_back(HR_TRY(codec::pickled_string(step)));
  if (transition.size() < 2 || transition[1]->is_none()) return {};
  task.foreach_var = HR_TRY(codec::pickled_string(transition[1]));
  return {};
}

/// Everything resume wants to know of a task whose manifest has been read.
Result<void> read_control(ControlArtifacts& control, OriginTask& task) {
  for (const PicklePtr& frame : HR_TRY(control.items(task, "_foreach_stack"))) {
    task.foreach_index.push_back(HR_TRY(frame_index(frame)));
  }
  for (const PicklePtr& index : HR_TRY(control.items(task, "_iteration_stack"))) {
    task.iteration.push_back(static_cast<int>(HR_TRY(codec::pickled_int(index))));
  }
  HR_TRY(read_transition(control, task));
  const PicklePtr splits = HR_TRY(control.get(task, "_foreach_num_splits"));
  if (splits && !splits->is_none()) {
    task.splits = HR_TRY(codec::pickled_int(splits));
  } else {
    task.splits = HR_TRY(num_parallel(control, task));
  }
  const std::vector<PicklePtr> mappers = HR_TRY(control.items(task, "_control_mapper_tasks"));
  if (mappers.empty()) return {};
  task.control_mapper_tasks.emplace();
  for (const PicklePtr& mapper : mappers) task.control_mapper_tasks->push_back(HR_TRY(codec::pickled_string(mapper)));
  return {};
}

/// The manifest of `task.attempt`, and what it says; `ok` only if the attempt is.
Result<void> read_manifest(Backend& data, const FlowName& flow, ControlArtifacts& control, OriginTask& task) {
  const std::string key = fmt::format("{}/{}/{}.data.json", flow.str(), task.path.str(), task.attempt);
  const std::string json = HR_TRY(data.get(key));
  task.manifest = HR_TRY(parse_manifest(json, data.location(key)));
  const PicklePtr ok = HR_TRY(control.get(task, "_task_ok"));
  if (!ok || !HR_TRY(codec::pickled_bool(ok))) return {};
  HR_TRY(read_control(control, task));
  task.ok = true;
  return {};
}

Result<void> read_task(Backend& data, const FlowName& flow, ControlArtifacts& control, OriginTask& task) {
  const std::vector<AttemptState> states = HR_TRY(attempts(data, flow, task.path));
  if (states.empty()) return {};
  task.attempt = states.back().attempt;
  if (!states.back().done) return {};
  return read_manifest(data, flow, control, task);
}

/// What cannot be read of a task is told in `problems`, and the task is not `ok`.
void read_tasks(Backend& data, const FlowName& flow, ControlArtifacts& control, std::vector<OriginTask>& tasks,
                std::vector<Error>& problems) {
  std::vector<std::optional<Error>> failed(tasks.size());
  const auto read_one = [&](std::size_t i) -> Result<void> {
    OriginTask& task = tasks[i];
    if (auto read = read_task(data, flow, control, task); !read) failed[i] = std::move(read).error().at(task.path.str());
    if (!task.ok || task.path.step.str() != kParameters) task.manifest = {};
    return {};
  };
  HR_CHECK(together(tasks.size(), data.at_once(), read_one).ok());
  for (std::optional<Error>& error : failed) {
    if (error) problems.push_back(std::move(*error));
  }
}

}  // namespace

Result<OriginRun> read_origin(Backend& data, const FlowName& flow, const RunId& run_id) {
  HR_TRY(task_key(flow, {run_id, StepName{std::string{kParameters}}, TaskId{"0"}}));
  const std::string run_key = flow.str() + "/" + run_id.str();
  ControlArtifacts control{data, flow};
  OriginRun run;
  const auto steps = HR_TRY(data.list(run_key));
  if (steps.empty()) {
    return Error{.kind = Kind::missing,
                 .what = fmt::format("run `{}` has no records", run_key),
                 .where = data.location(run_key),
                 .why = "nothing was stored there",
                 .next = "check the run id and the datastore root"};
  }
  for (const Backend::Entry& step : steps) {
    const bool parameters = step.name == kParameters;
    if (!step.directory || (step.name.starts_with("_") && !parameters)) continue;
    std::vector<OriginTask> tasks;
    for (const Backend::Entry& entry : HR_TRY(data.list(run_key + "/" + step.name))) {
      if (!entry.directory || entry.name == "_meta") continue;
      TaskPath path{run_id, StepName{step.name}, TaskId{entry.name}};
      tasks.push_back(OriginTask{.path = std::move(path)});
    }
    read_tasks(data, flow, control, tasks, run.problems);
    // 2 before 10, and 7 before its workers 7_node_1 and 7_node_2.
    const auto number = [](const OriginTask& task) { return std::strtoull(task.path.task.str().c_str(), nullptr, 10); };
    std::sort(tasks.begin(), tasks.end(), [&](const OriginTask& a, const OriginTask& b) {
      if (number(a) != number(b)) return number(a) < number(b);
      const std::string& id_a = a.path.task.str();
      const std::string& id_b = b.path.task.str();
      return id_a.size() != id_b.size() ? id_a.size() < id_b.size() : id_a < id_b;
    });
    if (parameters) {
      if (!tasks.empty()) run.parameters = std::move(tasks.front());
    } else {
      std::move(tasks.begin(), tasks.end(), std::back_inserter(run.tasks));
    }
  }
  return run;
}

Result<std::optional<OriginTask>> read_committed(Backend& data, const FlowName& flow, const AttemptPath& attempt) {
  const std::string folder = HR_TRY(task_key(flow, attempt.task));
  if (!HR_TRY(data.size(fmt::format("{}/{}.data.json", folder, attempt.attempt)))) return std::optional<OriginTask>{};
  ControlArtifacts control{data, flow};
  OriginTask task{.path = attempt.task, .attempt = attempt.attempt};
  HR_TRY(read_manifest(data, flow, control, task));
  return std::optional<OriginTask>{std::move(task)};
}

}  // namespace headrace::store
