#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "s3/client.h"
#include "store/backend.h"

namespace headrace::store {

inline constexpr std::string_view kLocalType = "local";
inline constexpr std::string_view kSpinType = "spin";
inline constexpr std::string_view kS3Type = "s3";

/// What a datastore's type is when only its root is known: `s3` for `s3://...`, else `local`.
[[nodiscard]] std::string_view type_of_root(std::string_view root);

/// The datastore at `root`: type `local` or `spin` is a directory, `s3` is `s3://BUCKET/PREFIX`; an empty type is that of the
/// root. Nothing is asked of the storage here. All S3 backends of a process share one client, made when first needed and kept.
/// Error `misuse` for another type, or a root of another form; any thread.
Result<std::unique_ptr<Backend>> open_backend(std::string_view type, const std::string& root);

/// The client of all S3 backends of this process; any thread. Error `misuse` for variables that cannot be used.
Result<std::shared_ptr<s3::Client>> shared_s3_client();
/// Ends what is on its way by that client, if there is one, and refuses what comes; any thread.
void stop_shared_s3_client();

/// Where the object of a URL lies: the root of a datastore that holds it, and its key there.
struct ObjectPlace {
  std::string folder;
  std::string name;
};
/// For `local://PATH` and `s3://BUCKET/KEY`; error `misuse`.
Result<ObjectPlace> place_of_url(const std::string& url);

/// How many threads a worker pool should have whose work waits for this datastore.
[[nodiscard]] unsigned pool_threads(std::string_view type);

}  // namespace headrace::store
