#include "store/blob_marker.h"

#include "codec/json.h"

namespace headrace::store {
namespace {

std::string marker_key(const std::string& blob) { return blob + "_meta"; }

/// After another process stored the same bytes meanwhile, perhaps in the other form: the marker must speak of its file.
Result<void> mark_as_stored(Backend& backend, const std::string& key, BlobForm written) {
  const auto stored = HR_TRY(backend.open(key));
  std::string head(2, '\0');
  head.resize(HR_TRY(stored->read(head)));
  const BlobForm form = is_gzip(head) ? BlobForm::gzip : BlobForm::raw;
  if (form != written) HR_TRY(backend.put(marker_key(key), blob_marker(form)));
  return {};
}

}  // namespace

std::string_view blob_marker(BlobForm form) {
  return form == BlobForm::raw ? R"({"cas_raw": true, "cas_version": 1})" : R"({"cas_raw": false, "cas_version": 1})";
}

BlobForm form_of_marker(std::string_view marker) {
  const auto json = codec::parse_json(marker, "marker of a blob");
  const auto raw = json && json->is_object() ? codec::find_bool(*json, "cas_raw") : std::optional<bool>{};
  return raw && raw->value_or(false) ? BlobForm::raw : BlobForm::gzip;
}

Result<bool> ObjectWriter::commit_blob(Backend& backend, const std::string& key, BlobForm form) {
  HR_TRY(backend.put(marker_key(key), blob_marker(form)));
  if (HR_TRY(commit_new(key))) return true;
  HR_TRY(mark_as_stored(backend, key, form));
  return false;
}

Result<bool> Backend::put_blob(const std::string& key, std::string_view bytes, BlobForm form) {
  HR_TRY(put(marker_key(key), blob_marker(form)));
  if (HR_TRY(put_new(key, bytes))) return true;
  // A code package looks like gzip as it is: its file does not tell how it was stored, and nobody compresses it once more.
  if (form == BlobForm::raw && is_gzip(bytes)) return false;
  HR_TRY(mark_as_stored(*this, key, form));
  return false;
}

Result<Backend::Blob> Backend::open_blob(const std::string& key) {
  Blob blob;
  auto marker = get(marker_key(key));
  if (marker.ok()) {
    blob.form = form_of_marker(*marker);
  } else if (marker.error().kind != Kind::missing) {
    return std::move(marker).error();
  }
  blob.reader = HR_TRY(open(key));
  return blob;
}

}  // namespace headrace::store
