#pragma once

#include <string>

#include "base/result.h"
#include "store/blob_store.h"
#include "wire/agent_spec.h"

namespace headrace::agent {

/// Unpacks the code package below `folder`, which must be empty or not exist. Blocks. Bounded memory. Errors name the package, and the
/// file that cannot be written; the hash is checked before this returns.
Result<void> unpack_code(store::BlobStore& blobs, const wire::CodePackage& code, const std::string& folder);

}  // namespace headrace::agent
