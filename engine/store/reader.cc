#include "store/reader.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace headrace::store {
namespace {

using codec::Json;

constexpr std::string_view kSelf = "/_meta/_self.json";

Error no_such(const Path& path) {
  return Error{.kind = Kind::missing,
               .what = fmt::format("`{}` does not exist", fmt::join(path, "/")),
               .where = {},
               .why = "there is no record of it in the metadata directory",
               .next = "check the name, and that METAFLOW_DATASTORE_SYSROOT_LOCAL or the working directory is the run's"};
}

Result<std::string> key_of(const Path& path) {
  for (const std::string& name : path) {
    if (is_plain_name(name)) continue;
    return Error{.kind = Kind::missing,
                 .what = fmt::format("`{}` does not exist", fmt::join(path, "/")),
                 .why = fmt::format("`{}` is no name that a flow, run, step, task or artifact can have", name)};
  }
  return fmt::format("{}", fmt::join(path, "/"));
}

/// The JSON object under `key`; nullopt if there is none, or it is half-written or no object.
Result<std::optional<Json>> object_at(Backend& backend, const std::string& key) {
  auto bytes = backend.get(key);
  if (!bytes) {
    if (bytes.error().kind == Kind::missing) return std::optional<Json>{};
    return std::move(bytes).error();
  }
  auto json = codec::parse_json(*bytes, key);
  if (!json || !json->is_object()) return std::optional<Json>{};
  return std::optional<Json>{*std::move(json)};
}

std::int64_t time_of(const Json& object) {
  const auto found = object.find("ts_epoch");
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

/// Steps, tasks and artifacts show the tags that their run has now.
struct RunTags {
  Json user = Json::array();
  Json system = Json::array();

  void put_on(Json& object) const {
    object["tags"] = user;
    object["system_tags"] = system;
  }
};

Result<RunTags> run_tags(Backend& meta, const Path& path) {
  const Path run_path{path[0], path[1]};
  const std::string key = HR_TRY(key_of(run_path));
  const std::optional<Json> run = HR_TRY(object_at(meta, key + std::string{kSelf}));
  if (!run) return no_such(run_path);
  RunTags tags;
  if (const auto found = run->find("tags"); found != run->end()) tags.user = *found;
  if (const auto found = run->find("system_tags"); found != run->end()) tags.system = *found;
  return tags;
}

/// Attempt N if the text is N in decimal.
std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The attempt whose artifacts a task shows: the value of its last attempt-done record. Last by file name: the names end in
/// milliseconds of equal length.
Result<std::optional<int>> last_done(Backend& meta, const std::string& task, const std::vector<Backend::Entry>& files) {
  const Backend::Entry* last = nullptr;
  for (const Backend::Entry& file : files) {
    if (file.name.starts_with("sysmeta_attempt-done_")) last = &file;
  }
  if (last == nullptr) return std::optional<int>{};
  const std::optional<Json> record = HR_TRY(object_at(meta, task + "/_meta/" + last->name));
  if (!record) return std::optional<int>{};
  const auto value = record->find("value");
  if (value == record->end()) return std::optional<int>{};
  if (value->is_number_integer()) return std::optional<int>{value->get<int>()};
  return value->is_string() ? number(value->get_ref<const std::string&>()) : std::optional<int>{};
}

/// `id` is the member that holds a number in text, nullptr for objects that have names.
void newest_first(std::vector<Json>& objects, const char* id) {
  const auto id_of = [id](const Json& object) {
    if (id == nullptr) return std::string{};
    const auto found = object.find(id);
    return found != object.end() && found->is_string() ? found->get_ref<const std::string&>() : std::string{};
  };
  std::stable_sort(objects.begin(), objects.end(), [&](const Json& a, const Json& b) {
    const auto time_a = time_of(a);
    const auto time_b = time_of(b);
    if (time_a != time_b) return time_a > time_b;
    // Cloned tasks share a millisecond; the larger number counts as the newer.
    const std::string id_a = id_of(a);
    const std::string id_b = id_of(b);
    return id_a.size() != id_b.size() ? id_a.size() > id_b.size() : id_a > id_b;
  });
}

Result<std::vector<Json>> list_artifacts(Backend& meta, const Path& path, std::optional<int> attempt) {
  const std::string task = HR_TRY(key_of(path));
  const auto files = HR_TRY(meta.list(task + "/_meta"));
  if (!attempt) attempt = HR_TRY(last_done(meta, task, files));
  std::vector<Json> objects;
  if (!attempt) return objects;
  const RunTags tags = HR_TRY(run_tags(meta, path));
  const std::string prefix = fmt::format("{}_artifact_", *attempt);
  for (const Backend::Entry& file : files) {
    if (!file.name.starts_with(prefix) || !file.name.ends_with(".json")) continue;
    std::optional<Json> object = HR_TRY(object_at(meta, task + "/_meta/" + file.name));
    if (!object) continue;
    tags.put_on(*object);
    objects.push_back(std::move(*object));
  }
  newest_first(objects, nullptr);  // of one time, all of them nearly always: by name
  return objects;
}

}  // namespace

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.find('/') == std::string_view::npos &&
         text.find('\0') == std::string_view::npos;
}

Result<std::string> task_key(const FlowName& flow, const TaskPath& task) {
  for (const std::string* name : {&flow.str(), &task.run.str(), &task.step.str(), &task.task.str()}) {
    if (is_plain_name(*name)) continue;
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("`{}/{}` is not the name of a task", flow.str(), task.str()),
                 .why = fmt::format("`{}` cannot be a flow, run, step or task", *name)};
  }
  return flow.str() + "/" + task.str();
}

Result<std::vector<Json>> MetadataReader::list(const Path& path, std::optional<int> attempt) {
  if (path.size() == 4) return list_artifacts(meta_, path, attempt);
  if (path.size() > 4) {
    return Error{.kind = Kind::misuse, .what = fmt::format("nothing is below the artifact `{}`", fmt::join(path, "/"))};
  }
  static constexpr const char* kIds[] = {"flow_id", "run_number", "step_name", "task_id"};
  const std::string parent = HR_TRY(key_of(path));
  std::vector<Json> objects;
  std::optional<RunTags> tags;
  for (const Backend::Entry& entry : HR_TRY(meta_.list(parent))) {
    if (!entry.directory || entry.name == "_meta") continue;
    const std::string key = parent.empty() ? entry.name : parent + "/" + entry.name;
    std::optional<Json> object = HR_TRY(object_at(meta_, key + std::string{kSelf}));
    if (!object) continue;
    if (path.size() >= 2) {
      if (!tags) tags = HR_TRY(run_tags(meta_, path));
      tags->put_on(*object);
    }
    objects.push_back(std::move(*object));
  }
  newest_first(objects, kIds[path.size()]);
  return objects;
}

Result<Json> MetadataReader::get(const Path& path, std::optional<int> attempt) {
  if (path.empty() || path.size() > 5) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` names no object", fmt::join(path, "/"))};
  }
  std::string key;
  if (path.size() == 5) {
    key = HR_TRY(key_of({path.begin(), path.end() - 1}));
    if (!is_plain_name(path.back())) return no_such(path);
    const auto files = HR_TRY(meta_.list(key + "/_meta"));
    if (!attempt) attempt = HR_TRY(last_done(meta_, key, files));
    if (!attempt) return no_such(path);
    key += fmt::format("/_meta/{}_artifact_{}.json", *attempt, path.back());
  } else {
    key = HR_TRY(key_of(path)) + std::string{kSelf};
  }
  std::optional<Json> object = HR_TRY(object_at(meta_, key));
  if (!object) return no_such(path);
  if (path.size() > 2) HR_TRY(run_tags(meta_, path)).put_on(*object);
  return std::move(*object);
}

Result<std::vector<Json>> MetadataReader::task_metadata(const Path& path) {
  if (path.size() != 4) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` is not the name of a task", fmt::join(path, "/"))};
  }
  const std::string task = HR_TRY(key_of(path));
  std::vector<Json> records;
  for (const Backend::Entry& file : HR_TRY(meta_.list(task + "/_meta"))) {
    if (!file.name.starts_with("sysmeta_")) continue;
    std::optional<Json> record = HR_TRY(object_at(meta_, task + "/_meta/" + file.name));
    if (record) records.push_back(std::move(*record));
  }
  std::stable_sort(records.begin(), records.end(), [](const Json& a, const Json& b) { return time_of(a) < time_of(b); });
  return records;
}

Result<std::vector<AttemptState>> attempts(Backend& data, const FlowName& flow, const TaskPath& task) {
  const std::string key = HR_TRY(task_key(flow, task));
  std::set<std::string> names;
  for (Backend::Entry& entry : HR_TRY(data.list(key))) names.insert(std::move(entry.name));
  std::vector<AttemptState> states;
  for (int n = 0; n < kAttemptsMax && names.contains(fmt::format("{}.attempt.json", n)); ++n) {
    states.push_back({.attempt = n, .done = names.contains(fmt::format("{}.DONE.lock", n))});
  }
  return states;
}

Result<RawManifest> raw_manifest(Backend& data, const FlowName& flow, const TaskPath& task, std::optional<int> attempt) {
  const std::vector<AttemptState> states = HR_TRY(attempts(data, flow, task));
  const std::size_t wanted = attempt ? static_cast<std::size_t>(std::max(*attempt, 0)) : states.size() - 1;
  if (states.empty() || wanted >= states.size()) {
    return Error{.kind = Kind::missing,
                 .what = fmt::format("task `{}/{}` has no {}", flow.str(), task.str(),
                                     attempt ? fmt::format("attempt {}", *attempt) : "attempt that began"),
                 .where = data.location(flow.str() + "/" + task.str())};
  }
  const AttemptState& state = states[wanted];
  if (!state.done) {
    return Error{.kind = Kind::missing,
                 .what = fmt::format("task `{}/{}` has no artifacts", flow.str(), task.str()),
                 .where = data.location(flow.str() + "/" + task.str()),
                 .why = fmt::format("attempt {} has not finished: it is running, or its process died", state.attempt)};
  }
  const std::string key = fmt::format("{}/{}/{}.data.json", flow.str(), task.str(), state.attempt);
  return RawManifest{.attempt = state.attempt, .json = HR_TRY(data.get(key))};
}

Result<Manifest> manifest(Backend& data, const FlowName& flow, const TaskPath& task, std::optional<int> attempt) {
  const RawManifest raw = HR_TRY(raw_manifest(data, flow, task, attempt));
  return parse_manifest(raw.json, data.location(fmt::format("{}/{}/{}.data.json", flow.str(), task.str(), raw.attempt)));
}

Result<std::optional<RunId>> latest_run(Backend& data, const FlowName& flow) {
  if (!is_plain_name(flow.str())) return std::optional<RunId>{};
  auto bytes = data.get(flow.str() + "/latest_run");
  if (!bytes) {
    if (bytes.error().kind == Kind::missing) return std::optional<RunId>{};
    return std::move(bytes).error();
  }
  const auto end = bytes->find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return std::optional<RunId>{};
  return std::optional<RunId>{RunId{bytes->substr(0, end + 1)}};
}

}  // namespace headrace::store
