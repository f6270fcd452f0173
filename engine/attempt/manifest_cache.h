#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

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

/// Manifests used a moment ago: the children of a foreach all read their parent's, a linear step what was just written.
/// Bounded; belongs to the loop thread.
class ManifestCache {
 public:
  static constexpr std::size_t kEntriesMax = 64;

  /// `pool` and `data` must outlive the cache.
  ManifestCache(loop::WorkerPool& pool, store::Backend& data, FlowName flow);

  /// The manifest of the newest attempt of a task; error `missing` if it is not done.
  [[nodiscard]] loop::Async<Result<ManifestPtr>> get(TaskPath task);
  /// Those of several tasks, in their order, read in one go; what is read is not kept: a join looks at each once.
  [[nodiscard]] loop::Async<Result<std::vector<ManifestPtr>>> get_all(std::vector<TaskPath> tasks);
  void put(const TaskPath& task, ManifestPtr manifest);

 private:
  using Order = std::list<TaskPath>;
  struct Entry {
    ManifestPtr manifest;
    Order::iterator place;
  };

  loop::WorkerPool& pool_;
  store::Backend& data_;
  FlowName flow_;
  Order order_;  ///< newest first
  std::map<TaskPath, Entry> entries_;
};

}  // namespace headrace::attempt
