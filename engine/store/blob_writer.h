#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "store/backend.h"
#include "store/blob_store.h"

/// How blobs get into a backend; for BlobStore.
namespace headrace::store {

/// Storing a tenth less is not worth reading through gunzip: random float64 shrinks by 6 in 100 at half the speed.
[[nodiscard]] inline bool worth_compressing(std::size_t compressed, std::size_t plain) { return compressed + plain / 10 < plain; }

[[nodiscard]] inline std::string marker_key(const std::string& blob) { return blob + "_meta"; }
[[nodiscard]] inline bool is_gzip(std::string_view head) { return head.size() >= 2 && head[0] == '\x1f' && head[1] == '\x8b'; }

/// True if the blob is there. An empty file is what a power loss leaves of one: it is removed to make room for a good one.
Result<bool> is_stored(Backend& backend, const std::string& blob);

/// Writes an object that is not there yet; false if it is.
class NewObject {
 public:
  virtual ~NewObject() = default;
  virtual Result<bool> write_new() = 0;
};
/// Publishes marker and blob, in the order in which a crash between them harms nobody: a marker alone says nothing.
Result<void> publish_blob(Backend& backend, const std::string& blob, bool raw, NewObject& object);

/// A writer of a blob below `folder`, FLOW/data. `backend` must outlive it.
[[nodiscard]] std::unique_ptr<BlobWriter> make_blob_writer(Backend& backend, std::string folder);

}  // namespace headrace::store
