#pragma once

#include <string>
#include <string_view>

#include "store/backend.h"

/// The small JSON text that says how a blob is stored, as Metaflow writes it.
namespace headrace::store {

[[nodiscard]] std::string_view blob_marker(BlobForm form);
/// gzip for a marker that is damaged or says nothing.
[[nodiscard]] BlobForm form_of_marker(std::string_view marker);
[[nodiscard]] inline bool is_gzip(std::string_view head) { return head.size() >= 2 && head[0] == '\x1f' && head[1] == '\x8b'; }

}  // namespace headrace::store
