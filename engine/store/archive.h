#pragma once

#include "base/result.h"
#include "codec/tar.h"
#include "store/blob_store.h"

namespace headrace::store {

/// Reads a blob that is a gzip'd tar archive to its end, in fixed memory; its members go to `files`.
Result<void> read_archive(BlobReader& blob, codec::TarSink& files);

}  // namespace headrace::store
