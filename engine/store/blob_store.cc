#include "store/blob_store.h"

#include <fmt/format.h>

#include "codec/gzip.h"
#include "codec/sha1.h"
#include "store/blob_reader.h"
#include "store/blob_writer.h"
#include "store/reader.h"

namespace headrace::store {
namespace {

/// Gzip's own 18 bytes and its tables are more than such a pickle could save: numbers, short texts, frames of a foreach.
constexpr std::size_t kCompressMin = 128;

Result<void> check_key(const FlowName& flow, const BlobKey& key) {
  if (codec::is_sha1_hex(key.str()) && is_plain_name(flow.str())) return {};
  return Error{.kind = Kind::misuse, .what = fmt::format("`{}` of flow `{}` is not the key of a blob", key.str(), flow.str())};
}

Result<std::string> read_all(BlobReader& blob) {
  std::string bytes;
  for (;;) {
    const std::string_view piece = HR_TRY(blob.next());
    if (piece.empty()) return bytes;
    bytes += piece;
  }
}

}  // namespace

BlobStore::BlobStore(Backend& backend, FlowName flow) : backend_(backend), flow_(std::move(flow)) {}

std::string BlobStore::blob_key(const BlobKey& key) const {
  return flow_.str() + "/data/" + key.str().substr(0, 2) + "/" + key.str();
}

Result<BlobKey> BlobStore::put(std::string_view bytes) { return put(bytes, bytes.size() < kCompressMin); }

Result<BlobKey> BlobStore::put_raw(std::string_view bytes) { return put(bytes, true); }

Result<BlobKey> BlobStore::put(std::string_view bytes, bool raw) {
  BlobKey key{codec::sha1_hex(bytes)};
  const std::string blob = blob_key(key);
  if (backend_.looks_first(bytes.size()) && HR_TRY(is_stored(backend_, blob))) return key;
  std::string compressed;
  if (!raw) {
    compressed = codec::gzip(bytes);
    raw = !worth_compressing(compressed.size(), bytes.size());
  }
  HR_TRY(backend_.put_blob(blob, raw ? bytes : compressed, raw ? BlobForm::raw : BlobForm::gzip));
  return key;
}

Result<std::unique_ptr<BlobWriter>> BlobStore::writer() { return make_blob_writer(backend_, flow_.str() + "/data"); }

Result<std::unique_ptr<BlobReader>> BlobStore::raw_reader(const BlobKey& key, const BlobUse& use) {
  HR_TRY(check_key(flow_, key));
  return make_blob_reader(backend_, blob_key(key), key, use, BlobForm::raw);
}

Result<std::unique_ptr<BlobReader>> BlobStore::reader(const BlobKey& key, const BlobUse& use) {
  HR_TRY(check_key(flow_, key));
  return make_blob_reader(backend_, blob_key(key), key, use, std::nullopt);
}

Result<std::string> BlobStore::get(const BlobKey& key, const BlobUse& use) {
  for (int attempt = 0;; ++attempt) {
    const std::unique_ptr<BlobReader> blob = HR_TRY(reader(key, use));
    auto bytes = read_all(*blob);
    // Damage on the way is gone when the same is read again; damage in the store is not.
    if (bytes.ok() || bytes.error().kind != Kind::failed || attempt > 0) return bytes;
  }
}

Result<std::unique_ptr<BlobReader>> read_object(Backend& backend, const std::string& object, const BlobKey& key,
                                                const BlobUse& use) {
  return make_blob_reader(backend, object, key, use, BlobForm::gzip);
}

}  // namespace headrace::store
