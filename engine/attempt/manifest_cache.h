#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attempt/lru_cache.h"
#include "base/ids.h"
#include "base/result.h"
#include "loop/async.h"
#include "loop/worker_pool.h"
#include "store/backend.h"
#include "store/manifest.h"

namespace headrace::attempt {

/// A manifest, and its text for the wire, made when it is first wanted.
struct CachedManifest {
  store::Manifest manifest;
  mutable std::string wire_text;

  [[nodiscard]] const std::string& wire() const {
    if (wire_text.empty()) wire_text = store::to_wire(manifest);
    return wire_text;
  }
};
using ManifestPtr = std::shared_ptr<const CachedManifest>;

/// Manifests used a moment ago: the children of a foreach all read their parent's, a linear step what was just written, a join those of
/// all its inputs. Bounded; belongs to the loop thread.
class ManifestCache {
 public:
  /// As `bytes` counts: room for those of 2,000 tasks with a dozen artifacts each, 23 MB of a process.
  static constexpr std::size_t kBytesMax = 16 << 20;

  /// `pool` and `data` must outlive the cache.
  ManifestCache(loop::WorkerPool& pool, store::Backend& data, FlowName flow);

  /// The manifest of the newest attempt of a task; error `missing` if it is not done.
  [[nodiscard]] loop::Async<Result<ManifestPtr>> get(TaskPath task);
  /// Those of several tasks, in their order, read in one go; what is read is not kept: a join looks at each once.
  [[nodiscard]] loop::Async<Result<std::vector<ManifestPtr>>> get_all(std::vector<TaskPath> tasks);
  void put(const TaskPath& task, ManifestPtr manifest);
  /// About what they take, with their texts for the wire.
  [[nodiscard]] std::size_t bytes() const { return kept_.bytes(); }

 private:
  loop::WorkerPool& pool_;
  store::Backend& data_;
  FlowName flow_;
  LruCache<TaskPath, ManifestPtr> kept_{kBytesMax};
};

}  // namespace headrace::attempt
