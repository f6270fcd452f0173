#include "store/s3_backend.h"

#include <chrono>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "base/together.h"
#include "store/blob_marker.h"
#include "store/object_key.h"
#include "store/s3_objects.h"

namespace headrace::store {
namespace {

/// From here on a HEAD that finds the blob costs less than the bytes that would be refused.
constexpr std::uint64_t kLookFirst = 1'000'000;
/// Losing that often to others who update the same object means that something else is wrong.
constexpr int kUpdateTriesMax = 1000;
constexpr std::uint64_t kUpdatePauseMaxMs = 100;

/// Before trying again what another writer was quicker with: they would meet again otherwise.
void pause_after_losing(int times) {
  thread_local std::minstd_rand chance{std::random_device{}()};
  const std::uint64_t most = std::min<std::uint64_t>(2ULL << std::min(times, 8), kUpdatePauseMaxMs);
  std::this_thread::sleep_for(std::chrono::milliseconds{chance() % most});
}

Error needs_conditional_writes(const std::string& bucket, std::string why) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the bucket `{}` cannot hold runs", bucket),
               .where = {},
               .why = std::move(why) + ": two tries of one task could both publish a result",
               .next = "use a service with conditional writes (AWS S3, MinIO, Ceph, R2, ...) in a current version"};
}

s3::PutOptions only_new() {
  s3::PutOptions options;
  options.if_none_match = true;
  return options;
}

}  // namespace

Result<std::unique_ptr<S3Backend>> S3Backend::make(std::shared_ptr<s3::Client> client, const std::string& root) {
  s3::Address address = HR_TRY(s3::parse_address(root));
  while (address.key.ends_with('/')) address.key.pop_back();
  if (!address.key.empty()) address.key += '/';
  return std::unique_ptr<S3Backend>{new S3Backend{std::move(client), std::move(address)}};
}

std::string S3Backend::location(const std::string& key) const {
  std::string url = at(key).str();
  if (key.empty()) url.pop_back();
  return url;
}

Result<void> S3Backend::put(const std::string& key, std::string_view bytes) {
  if (!is_key(key)) return bad_key(key);
  HR_TRY(client_->put(at(key), bytes, {}));
  return {};
}

Result<bool> S3Backend::put_new(const std::string& key, std::string_view bytes) {
  if (!is_key(key)) return bad_key(key);
  return HR_TRY(client_->put(at(key), bytes, only_new())).written;
}

Result<bool> S3Backend::put_blob(const std::string& key, std::string_view bytes, BlobForm form) {
  if (!is_key(key)) return bad_key(key);
  if (known_.contains(key)) return false;
  s3::PutOptions options = only_new();
  options.by_content = true;
  options.metadata[kUserAttributes] = blob_marker(form);
  const bool written = HR_TRY(client_->put(at(key), bytes, options)).written;
  known_.add(key);
  return written;
}

bool S3Backend::looks_first(std::uint64_t size) const { return size >= kLookFirst; }

Result<Backend::Blob> S3Backend::open_blob(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  std::unique_ptr<s3::Reader> reader = HR_TRY(client_->open(at(key)));
  const auto& metadata = reader->info().metadata;
  const auto marker = metadata.find(kUserAttributes);
  const BlobForm form = marker == metadata.end() ? BlobForm::gzip : form_of_marker(marker->second);
  return Blob{.reader = make_s3_reader(std::move(reader)), .form = form};
}

Result<void> S3Backend::put_tree(const std::string& directory, std::span<const Object> objects) {
  if (!is_key(directory)) return bad_key(directory);
  for (const Object& object : objects) {
    if (!is_key(object.key)) return bad_key(object.key);
  }
  return put_all(directory, objects);
}

Result<void> S3Backend::put_all(const std::string& directory, std::span<const Object> objects) {
  if (objects.empty()) return {};
  const auto put_one = [&](std::size_t i) -> Result<void> {
    HR_TRY(client_->put(at(directory + "/" + objects[i].key), objects[i].bytes, {}));
    return {};
  };
  HR_TRY(together(objects.size() - 1, at_once(), put_one));
  return put_one(objects.size() - 1);
}

Result<bool> S3Backend::put_new_tree(const std::string& directory, std::span<const Object> objects) {
  if (!is_key(directory)) return bad_key(directory);
  for (const Object& object : objects) {
    if (!is_key(object.key)) return bad_key(object.key);
  }
  if (!HR_TRY(client_->list(root_.bucket, at(directory).key + "/", "/")).empty()) return false;
  if (objects.empty()) return true;
  if (!HR_TRY(client_->put(at(directory + "/" + objects[0].key), objects[0].bytes, only_new())).written) return false;
  HR_TRY(put_all(directory, objects.subspan(1)));
  return true;
}

Result<std::string> S3Backend::get(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  s3::Object object = HR_TRY(client_->get(at(key)));
  return std::move(object.bytes);
}

Result<std::unique_ptr<ObjectReader>> S3Backend::open(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  return make_s3_reader(HR_TRY(client_->open(at(key))));
}

Result<std::unique_ptr<ObjectWriter>> S3Backend::create(const std::string& directory) {
  if (!is_key(directory)) return bad_key(directory);
  return make_s3_writer(*client_, root_);
}

Result<std::optional<std::uint64_t>> S3Backend::size(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  const auto info = HR_TRY(client_->head(at(key)));
  return info ? std::optional<std::uint64_t>{info->size} : std::nullopt;
}

Result<void> S3Backend::remove(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  known_.remove(key);
  return client_->remove(at(key));
}

Result<std::vector<Backend::Entry>> S3Backend::list(const std::string& directory) {
  if (!directory.empty() && !is_key(directory)) return bad_key(directory);
  const std::string prefix = at(directory.empty() ? "" : directory + "/").key;
  std::vector<Entry> entries;
  for (const s3::Listed& listed : HR_TRY(client_->list(root_.bucket, prefix, "/"))) {
    std::string name = listed.key.substr(prefix.size());
    if (listed.prefix) name.pop_back();
    if (name.empty() || name.front() == '.') continue;  // what consoles make for an empty folder; what is a backend's own
    entries.push_back(Entry{.name = std::move(name), .directory = listed.prefix});
  }
  return entries;
}

Result<std::string> S3Backend::update(const std::string& key, Change& change) {
  if (!is_key(key)) return bad_key(key);
  for (int lost = 0; lost < kUpdateTriesMax; ++lost) {
    s3::Object object = HR_TRY(client_->get(at(key)));
    std::optional<std::string> after = HR_TRY(change.apply(object.bytes));
    if (!after) return std::move(object.bytes);
    s3::PutOptions options;
    options.if_match = object.info.etag;
    options.content_type = object.info.content_type;
    options.metadata = object.info.metadata;
    if (HR_TRY(client_->put(at(key), *after, options)).written) return std::move(*after);
    pause_after_losing(lost);
  }
  return Error{.kind = Kind::retry,
               .what = fmt::format("cannot change `{}`", location(key)),
               .where = {},
               .why = fmt::format("others changed it {} times meanwhile", kUpdateTriesMax),
               .next = "try again"};
}

Result<void> S3Backend::check() {
  const s3::Address probe = at(".headrace/conditional-writes");
  constexpr std::string_view kText = "Headrace made this to see whether the bucket has conditional writes. It may be removed.\n";
  for (int i = 0; i < 2; ++i) {
    auto put = client_->put(probe, kText, only_new());
    const bool refused = !put && put.error().kind == Kind::failed && put.error().why.starts_with("S3 answered");
    if (refused) return needs_conditional_writes(root_.bucket, put.error().why);
    if (!put) return std::move(put).error();
    if (!put->written) return {};
  }
  return needs_conditional_writes(root_.bucket, "it does not heed `If-None-Match: *`");
}

}  // namespace headrace::store
