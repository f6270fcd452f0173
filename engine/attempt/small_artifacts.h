#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attempt/blob_cache.h"
#include "base/result.h"
#include "store/blob_store.h"
#include "store/manifest.h"
#include "wire/messages.h"

namespace headrace::attempt {

/// An artifact of ours that is not stored yet: without key and size.
[[nodiscard]] store::Artifact artifact_of(std::string name, std::string type, std::string encoding);

/// Error `misuse` unless the announced sizes add up to the payload's.
Result<void> check_sizes(const std::vector<wire::ArtifactToSave>& artifacts, std::uint64_t payload_bytes);

/// Stores pickles that lie one after another in `payload`; their sizes have been checked. Blocks (worker pool).
Result<std::vector<store::Artifact>> store_small(store::BlobStore& blobs, const std::vector<wire::ArtifactToSave>& artifacts,
                                                 std::string_view payload);

/// Keeps those of `store_small` that are small: the next step is about to ask for them, and a request costs more than the bytes.
void keep_small(BlobCache& cache, const std::vector<store::Artifact>& stored, std::string_view payload);

}  // namespace headrace::attempt
