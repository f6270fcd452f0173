#include "store/blob_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "codec/gzip.h"
#include "store/aside_hasher.h"

namespace headrace::store {
namespace {

constexpr std::size_t kSamplePiece = 32 << 10;
/// Compressed in pieces of this size, and written in such pieces.
constexpr std::size_t kGzipPiece = 256 << 10;

/// Some pieces from all over `bytes`.
std::string spots(std::string_view bytes) {
  if (bytes.size() <= codec::kCompressSampleBytes) return std::string{bytes};
  constexpr std::size_t kSpots = codec::kCompressSampleBytes / kSamplePiece;
  std::string sample;
  for (std::size_t i = 0; i < kSpots; ++i) {
    sample += bytes.substr((bytes.size() - kSamplePiece) / (kSpots - 1) * i, kSamplePiece);
  }
  return sample;
}

class Writer final : public BlobWriter {
 public:
  Writer(Backend& backend, std::string folder) : backend_(backend), folder_(std::move(folder)) {}

  std::span<char> space() override {
    if (slot_.empty()) slot_ = hasher_.slot();
    return slot_.subspan(used_);
  }

  Result<void> added(std::size_t size) override {
    used_ += size;
    size_ += size;
    if (used_ < slot_.size()) return {};
    return flush();
  }

  void sample(std::string_view bytes) override {
    if (!undecided() || bytes.empty()) return;
    const std::string some = spots(bytes);
    compress_ = worth_compressing(codec::gzip(some).size(), some.size());
  }

  [[nodiscard]] bool undecided() const override { return !compress_ && size_ == 0; }

  Result<StoredBlob> commit() override {
    if (!file_ || used_ > 0) HR_TRY(flush());
    StoredBlob result{.key = BlobKey{hasher_.finish_hex()}, .size = size_};
    const std::string blob = folder_ + "/" + result.key.str().substr(0, 2) + "/" + result.key.str();
    if (backend_.looks_first(size_) && HR_TRY(is_stored(backend_, blob))) return result;
    if (*compress_) {
      gzip_->finish(out_);
      HR_TRY(file_->write(out_));
    }
    HR_TRY(file_->commit_blob(backend_, blob, *compress_ ? BlobForm::gzip : BlobForm::raw));
    return result;
  }

 private:
  /// Hands the slot to the hasher and, as gzip or as it is, to the file; decides which if nobody has.
  Result<void> flush() {
    if (slot_.empty()) slot_ = hasher_.slot();
    const std::string_view bytes = hasher_.add(used_);
    slot_ = {};
    used_ = 0;
    if (!file_) {
      if (!compress_) {
        const std::string some = spots(bytes);
        compress_ = worth_compressing(codec::gzip(some).size(), some.size());
      }
      if (*compress_) gzip_.emplace();
      file_ = HR_TRY(backend_.create(folder_));
    }
    return emit(bytes);
  }

  Result<void> emit(std::string_view bytes) {
    if (!*compress_) return file_->write(bytes);
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kGzipPiece);
      bytes.remove_prefix(piece.size());
      gzip_->write(piece, out_);
      if (out_.size() < kGzipPiece) continue;
      HR_TRY(file_->write(out_));
      out_.clear();
    }
    return {};
  }

  Backend& backend_;
  std::string folder_;
  std::uint64_t size_ = 0;
  std::optional<bool> compress_;
  std::optional<codec::GzipWriter> gzip_;
  std::string out_;
  std::unique_ptr<ObjectWriter> file_;
  AsideHasher hasher_;
  std::span<char> slot_;   ///< of the hasher, being filled
  std::size_t used_ = 0;   ///< of it
};

}  // namespace

Result<void> BlobWriter::append(std::string_view bytes) {
  if (undecided() && bytes.size() > AsideHasher::kSlotBytesMax) sample(bytes);
  while (!bytes.empty()) {
    const std::span<char> to = space();
    const std::size_t n = std::min(to.size(), bytes.size());
    std::memcpy(to.data(), bytes.data(), n);
    HR_TRY(added(n));
    bytes.remove_prefix(n);
  }
  return {};
}

Result<bool> is_stored(Backend& backend, const std::string& blob) {
  const auto size = HR_TRY(backend.size(blob));
  if (!size) return false;
  if (*size > 0) return true;
  HR_TRY(backend.remove(blob));
  return false;
}

std::unique_ptr<BlobWriter> make_blob_writer(Backend& backend, std::string folder) {
  return std::make_unique<Writer>(backend, std::move(folder));
}

}  // namespace headrace::store
