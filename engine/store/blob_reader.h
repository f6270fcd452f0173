#pragma once

#include <memory>
#include <string>

#include "store/backend.h"
#include "store/blob_store.h"

/// How blobs come out of a backend; for BlobStore.
namespace headrace::store {

enum class BlobForm {
  gzip,  ///< or raw, if the first bytes say so: the marker may be lost
  raw,
};

/// A reader of `object`, whose content must have `key` as its SHA-1. Error `missing` if the object does not exist.
Result<std::unique_ptr<BlobReader>> make_blob_reader(Backend& backend, const std::string& object, const BlobKey& key,
                                                     const BlobUse& use, BlobForm form);

}  // namespace headrace::store
