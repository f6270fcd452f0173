#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/open_backend.h"

namespace headrace::cli {

/// The datastore of a run, and where its metadata goes: one object if both are one directory.
struct RunStores {
  std::unique_ptr<store::Backend> data;
  std::unique_ptr<store::Backend> other_meta;  ///< null: `data` is that too

  [[nodiscard]] store::Backend& meta() const { return other_meta ? *other_meta : *data; }
};

/// `type` and `root` are those of the data; metadata is always in a directory. Errors as of store::open_backend.
inline Result<RunStores> open_run_stores(const std::string& type, const std::string& root, const std::string& metadata_root) {
  RunStores stores{.data = HR_TRY(store::open_backend(type, root)), .other_meta = nullptr};
  if (metadata_root != root) stores.other_meta = HR_TRY(store::open_backend(store::kLocalType, metadata_root));
  return stores;
}

}  // namespace headrace::cli
