#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/backend.h"
#include "store/blob_store.h"

/// How blobs come out of a backend; for BlobStore.
namespace headrace::store {

/// A reader of `object`, whose content must have `key` as its SHA-1. Error `missing` if the object does not exist.
/// `known`: the form, where it does not matter what the backend says of it.
Result<std::unique_ptr<BlobReader>> make_blob_reader(Backend& backend, const std::string& object, const BlobKey& key,
                                                     const BlobUse& use, std::optional<BlobForm> known);

}  // namespace headrace::store
