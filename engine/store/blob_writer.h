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

/// True if the blob is there. An empty file is what a power loss leaves of one: it is removed to make room for a good one.
Result<bool> is_stored(Backend& backend, const std::string& blob);

/// A writer of a blob below `folder`, FLOW/data. `backend` must outlive it.
[[nodiscard]] std::unique_ptr<BlobWriter> make_blob_writer(Backend& backend, std::string folder);

}  // namespace headrace::store
