#include "store/open_backend.h"

#include <unistd.h>

#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "s3/client.h"
#include "store/directory_backend.h"
#include "store/s3_backend.h"

namespace headrace::store {
namespace {

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

/// A wait may not be silent, and any thread may be the one that waits. One write, so that lines stay whole.
void tell_of_waiting(const std::string& what) {
  const std::string line = what + "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct Shared {
  std::mutex mutex;
  std::shared_ptr<s3::Client> client;
};

/// Never destroyed: its threads may still be in a request when the process leaves.
Shared& shared_client() {
  static Shared& shared = *new Shared;
  return shared;
}

}  // namespace

std::string_view type_of_root(std::string_view root) { return root.starts_with(kS3Scheme) ? kS3Type : kLocalType; }

Result<std::unique_ptr<Backend>> open_backend(std::string_view type, const std::string& root) {
  if (type.empty()) type = type_of_root(root);
  const bool s3_root = root.starts_with(kS3Scheme);
  if (type == kLocalType || type == kSpinType) {
    if (root.empty() || s3_root) return wrong_form(type, root, "DIRECTORY");
    return std::unique_ptr<Backend>{std::make_unique<DirectoryBackend>(root)};
  }
  if (type != kS3Type) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("there is no datastore of type `{}`", type),
                 .where = {},
                 .why = "Headrace stores runs in a local directory or in S3",
                 .next = "run with `--datastore local` or `--datastore s3`"};
  }
  if (!s3_root) return wrong_form(type, root, "s3://BUCKET/PREFIX");
  auto client = HR_TRY(shared_s3_client());
  return std::unique_ptr<Backend>{HR_TRY(S3Backend::make(std::move(client), root))};
}

Result<std::shared_ptr<s3::Client>> shared_s3_client() {
  Shared& shared = shared_client();
  const std::lock_guard lock{shared.mutex};
  if (!shared.client) {
    s3::Settings settings = HR_TRY(s3::Settings::from_environment());
    settings.notice = tell_of_waiting;
    shared.client = HR_TRY(s3::Client::make(std::move(settings)));
  }
  return shared.client;
}

void stop_shared_s3_client() {
  Shared& shared = shared_client();
  const std::lock_guard lock{shared.mutex};
  if (shared.client) shared.client->stop();
}

Result<ObjectPlace> place_of_url(const std::string& url) {
  constexpr std::string_view kLocalScheme = "local://";
  const bool local = url.starts_with(kLocalScheme);
  const std::string place = local ? url.substr(kLocalScheme.size()) : url;
  const auto slash = place.rfind('/');
  if ((local || place.starts_with(kS3Scheme)) && slash != std::string::npos && slash + 1 < place.size()) {
    return ObjectPlace{.folder = place.substr(0, slash), .name = place.substr(slash + 1)};
  }
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the object at `{}` can be neither read nor written", url),
               .where = {},
               .why = "only files of local datastores (`local://PATH`) and objects in S3 (`s3://BUCKET/KEY`) can be",
               .next = "check METAFLOW_DATATOOLS_LOCALROOT and METAFLOW_DATATOOLS_S3ROOT"};
}

unsigned pool_threads(std::string_view type) { return type == kS3Type ? kS3Threads : kDirectoryThreads; }

}  // namespace headrace::store
