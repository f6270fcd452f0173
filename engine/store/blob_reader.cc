#include "store/blob_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "codec/gzip.h"
#include "store/aside_hasher.h"
#include "store/blob_marker.h"

namespace headrace::store {
namespace {

/// Of a compressed file, at a time.
constexpr std::size_t kGzipPiece = 256 << 10;
/// Smaller slots than this would cost more calls than memory they save.
constexpr std::size_t kSlotMin = 4 << 10;

Error not_loaded(const BlobUse& use, const BlobKey& key, const std::string& file, Kind kind, std::string why) {
  std::string what = use.name.empty() ? fmt::format("blob {}", key.str()) : fmt::format("artifact `{}`", use.name);
  if (!use.path.empty()) what += fmt::format(" of {}", use.path);
  return Error{.kind = kind,
               .what = what + " cannot be loaded",
               .where = "file " + file,
               .why = std::move(why),
               .next = kind == Kind::failed ? "delete that file and run the step that made it again (`resume STEP`)"
                                            : "run the step that made it again (`resume STEP`), or restore the file"};
}

class Reader final : public BlobReader {
 public:
  Reader(std::unique_ptr<ObjectReader> file, std::string place, BlobKey key, BlobUse use, bool raw)
      : file_(std::move(file)),
        place_(std::move(place)),
        key_(std::move(key)),
        use_(std::move(use)),
        raw_(raw),
        // Four times the file is what small pickles inflate to; a wrong guess costs a few more slots.
        hasher_(std::clamp<std::uint64_t>(file_->size() * 4, kSlotMin, AsideHasher::kSlotBytesMax)) {}

  Result<std::string_view> next() override {
    if (done_) return std::string_view{};
    if (!started_) HR_TRY(begin());
    const std::span<char> slot = hasher_.slot();
    std::size_t used = 0;
    while (used < slot.size()) {
      const std::size_t n = HR_TRY(decode(slot.subspan(used)));
      if (n == 0) break;
      used += n;
    }
    if (used > 0) return hasher_.add(used);
    done_ = true;
    const std::string found = hasher_.finish_hex();
    if (found == key_.str()) return std::string_view{};
    return bad(fmt::format("its content was changed or damaged: the SHA-1 is {}, not {}", found, key_.str()));
  }

 private:
  Error bad(std::string why) const { return not_loaded(use_, key_, place_, Kind::failed, std::move(why)); }

  /// The first bytes show what the file is when its marker is lost or speaks of another writer's file; the hash confirms.
  Result<void> begin() {
    started_ = true;
    piece_.resize(std::clamp<std::uint64_t>(file_->size(), 2, kGzipPiece));
    std::size_t used = 0;
    while (used < 2) {
      const std::size_t n = HR_TRY(file_->read({piece_.data() + used, piece_.size() - used}));
      if (n == 0) break;
      used += n;
    }
    piece_.resize(used);
    if (!raw_ && !is_gzip(piece_)) {
      if (piece_.empty()) return bad("the file is empty");
      raw_ = true;
    }
    if (raw_) return {};
    gzip_.emplace();
    gzip_->feed(piece_);
    return {};
  }

  /// The next uncompressed bytes; 0 at the end, and again when asked again.
  Result<std::size_t> decode(std::span<char> to) {
    if (ended_) return std::size_t{0};
    const std::size_t n = raw_ ? HR_TRY(read_raw(to)) : HR_TRY(read_gzip(to));
    ended_ = n == 0;
    return n;
  }

  Result<std::size_t> read_raw(std::span<char> to) {
    if (at_ == piece_.size()) return file_->read(to);
    const std::size_t n = std::min(to.size(), piece_.size() - at_);
    std::memcpy(to.data(), piece_.data() + at_, n);
    at_ += n;
    return n;
  }

  Result<std::size_t> read_gzip(std::span<char> to) {
    for (;;) {
      auto n = gzip_->read(to.data(), to.size());
      if (!n) return bad(n.error().why.empty() ? n.error().what : n.error().why);
      if (*n > 0) return *n;
      piece_.resize(std::clamp<std::uint64_t>(file_->size(), 2, kGzipPiece));
      piece_.resize(HR_TRY(file_->read(piece_)));
      if (piece_.empty()) break;
      gzip_->feed(piece_);
    }
    auto end = gzip_->finish();
    if (!end) return bad(end.error().why.empty() ? end.error().what : end.error().why);
    return std::size_t{0};
  }

  std::unique_ptr<ObjectReader> file_;
  std::string place_;
  BlobKey key_;
  BlobUse use_;
  bool raw_;
  bool started_ = false;
  bool ended_ = false;  ///< the file has given all its bytes
  bool done_ = false;   ///< and their hash was looked at
  AsideHasher hasher_;
  std::optional<codec::GzipReader> gzip_;
  std::string piece_;
  std::size_t at_ = 0;  ///< in `piece_`, raw only
};

}  // namespace

Result<std::unique_ptr<BlobReader>> make_blob_reader(Backend& backend, const std::string& object, const BlobKey& key,
                                                     const BlobUse& use, std::optional<BlobForm> known) {
  auto blob = [&]() -> Result<Backend::Blob> {
    if (!known) return backend.open_blob(object);
    return Backend::Blob{.reader = HR_TRY(backend.open(object)), .form = *known};
  }();
  if (!blob) {
    const Error& error = blob.error();
    const bool gone = error.kind == Kind::missing;
    Error not_there = not_loaded(use, key, backend.location(object), error.kind, gone ? "the file does not exist" : error.why);
    if (!gone && !error.next.empty()) not_there.next = error.next;
    return not_there;
  }
  return std::unique_ptr<BlobReader>{
      std::make_unique<Reader>(std::move(blob->reader), backend.location(object), key, use, blob->form == BlobForm::raw)};
}

}  // namespace headrace::store
