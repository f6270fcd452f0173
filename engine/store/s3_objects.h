#pragma once

#include <memory>
#include <string>

#include "s3/client.h"
#include "store/backend.h"

/// Objects of S3 as streams; for S3Backend.
namespace headrace::store {

/// User metadata that Metaflow puts on an object, JSON text.
inline constexpr const char* kUserAttributes = "metaflow-user-attributes";

[[nodiscard]] std::unique_ptr<ObjectReader> make_s3_reader(std::unique_ptr<s3::Reader> reader);

/// Keeps what is written until its key is known: in memory, when it grows in a file without a name in $TMPDIR (else /tmp), which a
/// crash does not leave behind. `place` is where keys begin; `client` must outlive the writer.
[[nodiscard]] std::unique_ptr<ObjectWriter> make_s3_writer(s3::Client& client, s3::Address place);

}  // namespace headrace::store
