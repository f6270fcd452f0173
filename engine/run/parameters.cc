// `_parameters/0`: the values of this run that every task can read.
#include <utility>

#include "run/driver.h"
#include "run/run_values.h"

namespace headrace::run {

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
  auto stored_work = [&records = *records_, &blobs = *blobs_, &spec = spec_, made, task = path.task, &fields = facts_.fields,
                      now = parts_.loop.wall_now()]() -> Result<void> {
    made->manifest = HR_TRY(store_values(records, blobs, spec, task, fields, now));
    return {};
  };
  auto stored = co_await parts_.pool.run(stored_work);
  if (stored) manifests_->put(path, made);
  co_return stored;
}

}  // namespace headrace::run
