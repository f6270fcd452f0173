#include "store/open_backend.h"

#include <fmt/format.h>

#include "store/directory_backend.h"

namespace headrace::store {
namespace {

constexpr std::string_view kS3 = "s3";
constexpr std::string_view kS3Scheme = "s3://";

/// Files are small and many, or in the page cache: two threads write them as fast as one disk takes them.
constexpr unsigned kDirectoryThreads = 2;
/// A request to S3 is mostly waiting.
constexpr unsigned kS3Threads = 32;

Error wrong_form(std::string_view type, const std::string& root, std::string_view form) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("`{}` cannot be the root of a datastore of type `{}`", root, type),
               .where = {},
               .why = fmt::format("it has the form {}", form),
               .next = "give another --datastore-root, or another --datastore"};
}

}  // namespace

std::string_view type_of_root(std::string_view root) { return root.starts_with(kS3Scheme) ? kS3 : "local"; }

Result<std::unique_ptr<Backend>> open_backend(std::string_view type, const std::string& root) {
  if (type.empty()) type = type_of_root(root);
  const bool s3_root = root.starts_with(kS3Scheme);
  if (type == "local" || type == "spin") {
    if (root.empty() || s3_root) return wrong_form(type, root, "DIRECTORY");
    return std::unique_ptr<Backend>{std::make_unique<DirectoryBackend>(root)};
  }
  if (type == kS3 && !s3_root) return wrong_form(type, root, "s3://BUCKET/PREFIX");
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the datastore `{}` cannot be used yet", type),
               .where = {},
               .why = "this version of Headrace stores runs in a local directory only",
               .next = "run with `--datastore local`"};
}

unsigned pool_threads(std::string_view type) { return type == kS3 ? kS3Threads : kDirectoryThreads; }

}  // namespace headrace::store
