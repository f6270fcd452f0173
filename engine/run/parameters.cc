// `_parameters/0`: the values of this run that every task can read.
#include <utility>

#include "run/driver.h"

namespace headrace::run {

std::vector<store::Field> Driver::run_fields() const {
  std::vector<store::Field> fields = facts_.fields;
  auto end_point = [&](const char* name, flow::StepIndex step) {
    fields.push_back(store::Field{
        .name = name, .type = "graph_structure", .value = spec_.graph.name(step), .tags = {}, .of_attempt = false});
  };
  end_point("start_step", spec_.graph.start());
  end_point("end_step", spec_.graph.end());
  return fields;
}

loop::Async<Result<void>> Driver::store_parameters() {
  if (spec_.spin) co_return Result<void>{};
  TaskPath path = path_of({});
  if (origin_) {
    if (!origin_->parameters) {
      co_return Error{.kind = Kind::missing,
                      .what = "the run to resume has no parameters stored",
                      .where = spec_.flow + "/" + spec_.resume->origin_run_id,
                      .why = "it ended before its first task",
                      .next = "start a new run"};
    }
    auto made = std::make_shared<attempt::CachedManifest>();
    made->manifest = origin_->parameters->manifest;
    TaskPath from = origin_->parameters->path;
    auto cloned_work = [&records = *records_, path, from, made, &fields = facts_.fields,
                        now = parts_.loop.wall_now()] {
      return records.clone(path, from, made->manifest, fields, now);
    };
    auto cloned = co_await parts_.pool.run(cloned_work);
    if (cloned) manifests_->put(path, made);
    co_return cloned;
  }
  auto made = std::make_shared<attempt::CachedManifest>();
  made->manifest.datastore = spec_.datastore_type;
  made->manifest.python_version = spec_.sys_version;
  auto stored_work = [&records = *records_, &blobs = *blobs_, &values = spec_.parameters, made, path,
                      fields = run_fields(), now = parts_.loop.wall_now()]() -> Result<void> {
    for (const wire::ParameterValue& value : values) {
      made->manifest.set(store::Artifact{.name = value.name,
                                         .key = HR_TRY(blobs.put(value.pickle)),
                                         .size = static_cast<std::int64_t>(value.pickle.size()),
                                         .type = value.type,
                                         .encoding = value.encoding,
                                         .extra = R"({"source": "metaflow"})"});
    }
    return records.parameters(path.task, made->manifest, fields, now);
  };
  auto stored = co_await parts_.pool.run(stored_work);
  if (stored) manifests_->put(path, made);
  co_return stored;
}

}  // namespace headrace::run
