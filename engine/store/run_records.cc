#include "store/run_records.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "codec/json.h"
#include "codec/timestamp.h"
#include "store/json_text.h"
#include "store/open_backend.h"
#include "store/reader.h"

namespace headrace::store {
namespace {

constexpr const char* kSelf = "_meta/_self.json";

void append_list(std::string& out, const std::vector<std::string>& texts) {
  const char* separator = "";
  out += '[';
  for (const std::string& text : texts) {
    out += separator;
    append_quoted(out, text);
    separator = ", ";
  }
  out += ']';
}

/// The members that end every `_self.json` and artifact record but the flow's.
void append_owner(std::string& out, const RunIdentity& run, WallTime now) {
  append_member(out, "flow_id", run.flow.str());
  append_member(out, "user_name", run.user);
  out += "\"tags\": ";
  append_list(out, run.tags);
  out += ", \"system_tags\": ";
  append_list(out, run.system_tags);
  fmt::format_to(std::back_inserter(out), ", \"ts_epoch\": {}}}", epoch_ms(now));
}

std::string run_self(const RunIdentity& run, WallTime now) {
  std::string out = "{";
  append_member(out, "run_number", run.run.str());
  append_owner(out, run, now);
  return out;
}

Result<void> flow_record(Backend& meta, const FlowName& flow, WallTime now) {
  if (!is_plain_name(flow.str())) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` cannot be the name of a flow", flow.str())};
  }
  std::string out = "{";
  append_member(out, "flow_id", flow.str());
  fmt::format_to(std::back_inserter(out), "\"ts_epoch\": {}}}", epoch_ms(now));
  HR_TRY(meta.put_new(flow.str() + "/" + kSelf, out));
  return {};
}

std::string attempt_json(WallTime now) { return fmt::format("{{\"time\": {}}}", codec::to_epoch_seconds(now)); }

std::string task_begin_json(const RunIdentity& run, int attempt) {
  std::string out = "{";
  if (run.package) {
    append_member(out, "code_package_metadata", run.package->metadata);
    append_member(out, "code_package_sha", run.package->sha);
    append_member(out, "code_package_ds", run.datastore_type);
    append_member(out, "code_package_url", run.package->url);
  } else {
    out += R"("code_package_metadata": "", "code_package_sha": null, "code_package_ds": null, "code_package_url": null, )";
  }
  fmt::format_to(std::back_inserter(out), "\"retry_count\": {}}}", attempt);
  return out;
}

constexpr const char* kParameters = "_parameters";
constexpr std::string_view kResumeDone = "_resume_done";
constexpr std::string_view kDone = "\"\"";

}  // namespace

/// Objects of one task, by part; keys are relative to the task.
struct RunRecords::Batch {
  std::vector<Object> data;
  std::vector<Object> meta;
  std::set<std::string> names;  ///< of `meta`: two values of one field in one millisecond must not meet
};

RunRecords::RunRecords(Backend& data, Backend& meta, RunIdentity identity)
    : data_(data), meta_(meta), identity_(std::move(identity)) {}

Result<RunId> RunRecords::new_run(Backend& meta, const RunIdentity& identity, WallTime now) {
  HR_TRY(flow_record(meta, identity.flow, now));
  RunIdentity run = identity;
  for (auto id = now.time_since_epoch().count();; ++id) {
    run.run = RunId{std::to_string(id)};
    const Object self{.key = kSelf, .bytes = run_self(run, now)};
    // Whoever makes the directory has the id: two runs started in the same microsecond get different ones.
    if (HR_TRY(meta.put_new_tree(identity.flow.str() + "/" + run.run.str(), {&self, 1}))) return run.run;
  }
}

Result<void> RunRecords::register_run(Backend& meta, const RunIdentity& identity, WallTime now) {
  HR_TRY(flow_record(meta, identity.flow, now));
  if (!is_plain_name(identity.run.str())) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("`{}` cannot be a run id", identity.run.str()),
                 .why = "a run id is the name of a directory: not empty, no slash, no dot at its start"};
  }
  const std::string key = identity.flow.str() + "/" + identity.run.str() + "/" + kSelf;
  HR_TRY(meta.put_new(key, run_self(identity, now)));
  return {};
}

Result<void> RunRecords::set_latest_run() {
  Backend& local = type_of_root(identity_.datastore_root) == kLocalType ? data_ : meta_;
  return local.put(identity_.flow.str() + "/latest_run", identity_.run.str());
}

Result<void> RunRecords::put(const TaskPath& task, Batch batch) {
  const std::string key = HR_TRY(task_key(identity_.flow, task));
  if (&data_ == &meta_) {
    std::move(batch.meta.begin(), batch.meta.end(), std::back_inserter(batch.data));
    return data_.put_tree(key, batch.data);
  }
  // Clients look at the metadata first, so what it speaks of is there already.
  if (!batch.data.empty()) HR_TRY(data_.put_tree(key, batch.data));
  if (!batch.meta.empty()) HR_TRY(meta_.put_tree(key, batch.meta));
  return {};
}

Result<void> RunRecords::step_record(const StepName& step, WallTime now) {
  if (!is_plain_name(step.str())) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` cannot be the name of a step", step.str())};
  }
  const std::string key = identity_.flow.str() + "/" + identity_.run.str() + "/" + step.str() + "/" + kSelf;
  if (HR_TRY(meta_.size(key))) return {};
  std::string out = "{";
  append_member(out, "run_number", identity_.run.str());
  append_member(out, "step_name", step.str());
  append_owner(out, identity_, now);
  HR_TRY(meta_.put_new(key, out));
  return {};
}

void RunRecords::add_self(Batch& batch, const TaskPath& task, WallTime now) const {
  std::string out = "{";
  append_member(out, "run_number", task.run.str());
  append_member(out, "step_name", task.step.str());
  append_member(out, "task_id", task.task.str());
  append_owner(out, identity_, now);
  batch.meta.push_back({kSelf, std::move(out)});
}

void RunRecords::add_field(Batch& batch, const AttemptPath& attempt, const Field& field, WallTime now) const {
  // A field that comes twice keeps both values: the later one moves on by a millisecond.
  auto ms = epoch_ms(now);
  std::string key;
  do {
    key = fmt::format("_meta/sysmeta_{}_{}.json", field.name, ms++);
  } while (!batch.names.insert(key).second);
  std::vector<std::string> tags = field.tags;
  if (field.of_attempt) tags.insert(tags.begin(), fmt::format("attempt_id:{}", attempt.attempt));

  std::string out = "{";
  append_member(out, "flow_id", identity_.flow.str());
  append_member(out, "run_number", attempt.task.run.str());
  append_member(out, "step_name", attempt.task.step.str());
  append_member(out, "task_id", attempt.task.task.str());
  append_member(out, "field_name", field.name);
  append_member(out, "type", field.type);
  out += "\"value\": ";
  out += codec::dump_json(field.value);
  out += ", \"tags\": ";
  append_list(out, tags);
  out += ", ";
  append_member(out, "user_name", identity_.user);
  fmt::format_to(std::back_inserter(out), "\"ts_epoch\": {}}}", ms - 1);
  batch.meta.push_back({std::move(key), std::move(out)});
}

void RunRecords::add_artifacts(Batch& batch, const AttemptPath& attempt, const Manifest& manifest, WallTime now) const {
  std::string head = "{";
  append_member(head, "run_number", attempt.task.run.str());
  append_member(head, "step_name", attempt.task.step.str());
  append_member(head, "task_id", attempt.task.task.str());
  fmt::format_to(std::back_inserter(head), "\"attempt_id\": {}, ", attempt.attempt);
  std::string tail;
  append_member(tail, "ds_type", identity_.datastore_type);
  append_member(tail, "location", ":root:" + identity_.datastore_root);
  append_owner(tail, identity_, now);
  for (const Artifact& artifact : manifest.artifacts) {
    std::string out = head;
    append_member(out, "name", artifact.name);
    append_member(out, "content_type", artifact.encoding.empty() ? "gzip+pickle-v2" : artifact.encoding);
    append_member(out, "type", "metaflow.artifact");
    append_member(out, "sha", artifact.key.str());
    out += tail;
    batch.meta.push_back({fmt::format("_meta/{}_artifact_{}.json", attempt.attempt, artifact.name), std::move(out)});
  }
}

Result<void> RunRecords::parameters(const TaskId& task, const Manifest& manifest, const std::vector<Field>& fields,
                                    WallTime now) {
  const AttemptPath attempt{.task = {identity_.run, StepName{kParameters}, task}, .attempt = 0};
  HR_TRY(step_record(attempt.task.step, now));
  Batch batch;
  batch.data = {{"0.attempt.json", attempt_json(now)}, {"0.data.json", to_json(manifest)}, {"0.DONE.lock", std::string{kDone}}};
  add_self(batch, attempt.task, now);
  for (const Field& field : fields) add_field(batch, attempt, field, now);
  add_artifacts(batch, attempt, manifest, now);
  add_field(batch, attempt, {.name = "attempt-done", .type = "attempt-done", .value = "0"}, now);
  return put(attempt.task, std::move(batch));
}

Result<std::string> RunRecords::parameters_key(const TaskId& task, std::string_view name) const {
  return HR_TRY(task_key(identity_.flow, {identity_.run, StepName{kParameters}, task})) + "/" + std::string(name);
}

Result<void> RunRecords::resume_done(const TaskId& task) {
  const std::string key = HR_TRY(parameters_key(task, kResumeDone));
  return data_.put(key, "true");
}

Result<bool> RunRecords::is_resume_done(const TaskId& task) {
  const std::string key = HR_TRY(parameters_key(task, kResumeDone));
  return HR_TRY(data_.size(key)).has_value();
}

Result<std::string> RunRecords::resume_leader(const TaskId& task, const std::string& name) {
  const std::string key = HR_TRY(parameters_key(task, "_resume_leader"));
  if (HR_TRY(data_.put_new(key, codec::dump_json(name)))) return name;
  const std::string text = HR_TRY(data_.get(key));
  const codec::Json leader = HR_TRY(codec::parse_json(text, key));
  if (!leader.is_string()) return Error{.what = "it cannot be read who leads the resume", .where = key, .why = "it is no JSON text"};
  return leader.get<std::string>();
}

Result<void> RunRecords::begin(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now) {
  HR_TRY(step_record(attempt.task.step, now));
  Batch batch;
  const int n = attempt.attempt;
  batch.data = {{fmt::format("{}.attempt.json", n), attempt_json(now)}, {fmt::format("{}.task_begin", n), task_begin_json(identity_, n)}};
  HR_TRY(add_begin(batch, attempt, fields, now));
  return put(attempt.task, std::move(batch));
}

Result<void> RunRecords::add_begin(Batch& batch, const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now) {
  const int n = attempt.attempt;
  const std::string self = HR_TRY(task_key(identity_.flow, attempt.task)) + "/" + kSelf;
  if (n == 0 || !HR_TRY(meta_.size(self))) add_self(batch, attempt.task, now);
  for (const Field& field : fields) add_field(batch, attempt, field, now);
  add_field(batch, attempt, {.name = "attempt", .type = "attempt", .value = std::to_string(n)}, now);
  add_field(batch, attempt, {.name = "origin-run-id", .type = "origin-run-id", .value = identity_.origin_run_id}, now);
  add_field(batch, attempt, {.name = "ds-type", .type = "ds-type", .value = identity_.datastore_type}, now);
  add_field(batch, attempt, {.name = "ds-root", .type = "ds-root", .value = identity_.datastore_root}, now);
  return {};
}

Result<void> RunRecords::restore(const AttemptPath& attempt, const Manifest* manifest, bool ok, const std::vector<Field>& fields,
                                 WallTime now) {
  HR_TRY(step_record(attempt.task.step, now));
  const std::string task = HR_TRY(task_key(identity_.flow, attempt.task));
  const int n = attempt.attempt;
  Batch batch;
  if (!HR_TRY(data_.size(fmt::format("{}/{}.attempt.json", task, n)))) {
    batch.data = {{fmt::format("{}.attempt.json", n), attempt_json(now)}, {fmt::format("{}.task_begin", n), task_begin_json(identity_, n)}};
  }
  HR_TRY(add_begin(batch, attempt, fields, now));
  if (manifest == nullptr) return put(attempt.task, std::move(batch));
  add_end(batch, attempt, *manifest, ok, {}, now);
  HR_TRY(put(attempt.task, std::move(batch)));
  return mark_done(task, n);
}

Result<void> RunRecords::note_unstarted(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now) {
  HR_TRY(step_record(attempt.task.step, now));
  Batch batch;
  HR_TRY(add_begin(batch, attempt, fields, now));
  return put(attempt.task, std::move(batch));
}

Result<void> RunRecords::mark_done(const std::string& task, int attempt) {
  const std::string done = fmt::format("{}.DONE.lock", attempt);
  if (HR_TRY(data_.size(task + "/" + done))) return {};
  const std::vector<Object> last = {{fmt::format("{}.task_end", attempt), "{}"}, {done, std::string{kDone}}};
  return data_.put_tree(task, last);
}

Result<void> RunRecords::add_fields(const AttemptPath& attempt, const std::vector<Field>& fields, WallTime now) {
  Batch batch;
  for (const Field& field : fields) {
    if (!is_plain_name(field.name)) {
      return Error{.kind = Kind::misuse,
                   .what = fmt::format("`{}` cannot be the name of a metadata field", field.name),
                   .why = "it becomes part of a file name: no slash, no dot at its start"};
    }
    add_field(batch, attempt, field, now);
  }
  return put(attempt.task, std::move(batch));
}

Result<void> RunRecords::finish(const AttemptPath& attempt, const Manifest& manifest, bool ok, const std::vector<Field>& fields,
                                WallTime now) {
  const std::string task = HR_TRY(task_key(identity_.flow, attempt.task));
  const int n = attempt.attempt;
  if (!HR_TRY(data_.put_new(fmt::format("{}/{}.data.json", task, n), to_json(manifest)))) {
    return Error{.kind = Kind::misuse,
                 .what = "another process has finished this attempt already; its result stands",
                 .where = fmt::format("{}, attempt {}", attempt.task.str(), n)};
  }
  Batch batch;
  add_end(batch, attempt, manifest, ok, fields, now);
  HR_TRY(put(attempt.task, std::move(batch)));
  const std::vector<Object> last = {{fmt::format("{}.task_end", n), "{}"}, {fmt::format("{}.DONE.lock", n), std::string{kDone}}};
  return data_.put_tree(task, last);
}

void RunRecords::add_end(Batch& batch, const AttemptPath& attempt, const Manifest& manifest, bool ok, const std::vector<Field>& fields,
                         WallTime now) const {
  const int n = attempt.attempt;
  add_artifacts(batch, attempt, manifest, now);
  for (const Field& field : fields) add_field(batch, attempt, field, now);
  add_field(batch, attempt, {.name = "attempt_ok", .type = "internal_attempt_status", .value = ok ? "True" : "False"}, now);
  // Clients take a task's artifacts for complete once they see attempt-done, so it comes after them.
  add_field(batch, attempt, {.name = "attempt-done", .type = "attempt-done", .value = std::to_string(n)}, now);
}

Result<bool> RunRecords::is_done(const AttemptPath& attempt) {
  const std::string key = HR_TRY(task_key(identity_.flow, attempt.task));
  if (!HR_TRY(data_.size(fmt::format("{}/{}.DONE.lock", key, attempt.attempt)))) return false;
  return HR_TRY(meta_.size(key + "/" + kSelf)).has_value();
}

Result<void> RunRecords::ended(const AttemptPath& attempt, const ProcessEnd& end) {
  const std::string key = HR_TRY(task_key(identity_.flow, attempt.task));
  return data_.put(fmt::format("{}/{}.runtime", key, attempt.attempt),
                   fmt::format("{{\"return_code\": {}, \"killed\": {}, \"success\": {}}}", end.return_code, end.killed,
                               end.success));
}

Result<void> RunRecords::clone(const TaskPath& task, const TaskPath& origin, const Manifest& manifest,
                               const std::vector<Field>& fields, WallTime now) {
  Manifest copy = manifest;
  copy.attempt = 0;
  if (task.step.str() == kParameters) return parameters(task.task, copy, fields, now);  // these do not say where they come from
  HR_TRY(step_record(task.step, now));
  const AttemptPath attempt{.task = task, .attempt = 0};
  Batch batch;
  batch.data = {{"0.attempt.json", attempt_json(now)}, {"0.data.json", to_json(copy)}, {"0.DONE.lock", std::string{kDone}}};
  add_self(batch, task, now);
  for (const Field& field : fields) add_field(batch, attempt, field, now);
  add_field(batch, attempt, {.name = "origin-run-id", .type = "origin-run-id", .value = origin.run.str()}, now);
  add_field(batch, attempt, {.name = "origin-task-id", .type = "origin-task-id", .value = origin.task.str()}, now);
  add_field(batch, attempt, {.name = "attempt", .type = "attempt", .value = "0"}, now);
  add_artifacts(batch, attempt, copy, now);
  add_field(batch, attempt, {.name = "attempt_ok", .type = "internal_attempt_status", .value = "True"}, now);
  add_field(batch, attempt, {.name = "attempt-done", .type = "attempt-done", .value = "0"}, now);
  return put(task, std::move(batch));
}

}  // namespace headrace::store
