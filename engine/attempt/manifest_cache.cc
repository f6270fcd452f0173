#include "attempt/manifest_cache.h"

#include "base/together.h"
#include "store/reader.h"

namespace headrace::attempt {
namespace {

/// What an entry costs besides its artifacts, about.
constexpr std::size_t kOverhead = 512;

std::size_t room_for(const store::Manifest& manifest) {
  std::size_t bytes = 0;
  for (const store::Artifact& one : manifest.artifacts) {
    bytes += sizeof one + one.name.size() + one.key.str().size() + one.type.size() + one.encoding.size() + one.extra.size();
  }
  return kOverhead + 2 * bytes;  // its text for the wire is as long
}

}  // namespace

ManifestCache::ManifestCache(loop::WorkerPool& pool, store::Backend& data, FlowName flow)
    : pool_(pool), data_(data), flow_(std::move(flow)) {}

loop::Async<Result<ManifestPtr>> ManifestCache::get(TaskPath task) {
  if (const ManifestPtr* kept = kept_.get(task)) co_return *kept;
  auto read_work = [&data = data_, flow = flow_, task] { return store::manifest(data, flow, task); };
  auto read = co_await pool_.run(read_work);
  if (!read) co_return std::move(read).error().at("manifest of " + task.str());
  auto manifest = std::make_shared<CachedManifest>();
  manifest->manifest = std::move(*read);
  put(task, manifest);
  co_return manifest;
}

loop::Async<Result<std::vector<ManifestPtr>>> ManifestCache::get_all(std::vector<TaskPath> tasks) {
  std::vector<ManifestPtr> found;
  std::vector<TaskPath> missing;
  for (const TaskPath& task : tasks) {
    const ManifestPtr* kept = kept_.peek(task);
    found.push_back(kept == nullptr ? nullptr : *kept);
    if (!found.back()) missing.push_back(task);
  }
  auto read_work = [&data = data_, flow = flow_, missing]() -> Result<std::vector<ManifestPtr>> {
    std::vector<ManifestPtr> read(missing.size());
    const auto read_one = [&](std::size_t i) -> Result<void> {
      auto manifest = store::manifest(data, flow, missing[i]);
      if (!manifest) return std::move(manifest).error().at("manifest of " + missing[i].str());
      auto made = std::make_shared<CachedManifest>();
      made->manifest = std::move(*manifest);
      read[i] = std::move(made);
      return {};
    };
    HR_TRY(together(missing.size(), data.at_once(), read_one));
    return read;
  };
  auto read = co_await pool_.run(read_work);
  if (!read) co_return std::move(read).error();
  auto next = read->begin();
  for (ManifestPtr& manifest : found) {
    if (!manifest) manifest = *next++;
  }
  co_return found;
}

void ManifestCache::put(const TaskPath& task, ManifestPtr manifest) {
  const std::size_t bytes = room_for(manifest->manifest);
  kept_.put(task, std::move(manifest), bytes);
}

}  // namespace headrace::attempt
