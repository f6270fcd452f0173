#include "attempt/manifest_cache.h"

#include "store/reader.h"
#include "base/together.h"

namespace headrace::attempt {

ManifestCache::ManifestCache(loop::WorkerPool& pool, store::Backend& data, FlowName flow)
    : pool_(pool), data_(data), flow_(std::move(flow)) {}

loop::Async<Result<ManifestPtr>> ManifestCache::get(TaskPath task) {
  if (auto found = entries_.find(task); found != entries_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    co_return found->second.manifest;
  }
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
    auto kept = entries_.find(task);
    found.push_back(kept == entries_.end() ? nullptr : kept->second.manifest);
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
  if (auto found = entries_.find(task); found != entries_.end()) {
    found->second.manifest = std::move(manifest);
    order_.splice(order_.begin(), order_, found->second.place);
    return;
  }
  order_.push_front(task);
  entries_.emplace(task, Entry{std::move(manifest), order_.begin()});
  if (entries_.size() > kEntriesMax) {
    entries_.erase(order_.back());
    order_.pop_back();
  }
}

}  // namespace headrace::attempt
