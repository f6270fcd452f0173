#include "store/blob_store.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "codec/gzip.h"
#include "codec/json.h"
#include "codec/sha1.h"
#include "store/reader.h"

namespace headrace::store {
namespace {

constexpr std::string_view kGzipMarker = R"({"cas_raw": false, "cas_version": 1})";
constexpr std::string_view kRawMarker = R"({"cas_raw": true, "cas_version": 1})";

/// Enough to judge by, and to hold back until judged.
constexpr std::size_t kHeadMax = 1 << 20;
constexpr std::size_t kSamplePiece = 32 << 10;
/// Compressed bytes go to the file in pieces of this size.
constexpr std::size_t kOutPiece = 256 << 10;
/// From here on a second thread hashes while this one compresses and writes.
constexpr std::size_t kHashAsideMin = 1 << 20;
constexpr std::size_t kReadPiece = 256 << 10;
/// Hashed while the next is read: small enough to be in the cache still.
constexpr std::size_t kHashPiece = 256 << 10;

std::string marker_key(const std::string& blob) { return blob + "_meta"; }

bool is_gzip(std::string_view head) { return head.size() >= 2 && head[0] == '\x1f' && head[1] == '\x8b'; }

/// Storing a tenth less is not worth reading through gunzip: random float64 shrinks by 6 in 100 at half the speed.
bool worth_it(std::size_t compressed, std::size_t plain) { return compressed + plain / 10 < plain; }

/// Gzip's own 18 bytes and its tables are more than such a pickle could save: numbers, short texts, frames of a foreach.
constexpr std::size_t kCompressMin = 128;

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

Result<std::unique_ptr<ObjectReader>> open_object(Backend& backend, const std::string& object, const BlobKey& key,
                                                  const BlobUse& use) {
  auto file = backend.open(object);
  if (file) return *std::move(file);
  const Error& error = file.error();
  const bool gone = error.kind == Kind::missing;
  return not_loaded(use, key, backend.location(object), error.kind, gone ? "the file does not exist" : error.why);
}

/// Publishes marker and blob in the order that a crash between them harms nobody: a marker alone says nothing.
template <class Publish>
Result<void> publish(Backend& backend, const std::string& blob, bool raw, Publish write_new) {
  const std::string marker{raw ? kRawMarker : kGzipMarker};
  HR_TRY(backend.put(marker_key(blob), marker));
  if (HR_TRY(write_new())) return {};
  // Another process stored the same bytes meanwhile, perhaps in the other form: the marker must speak of its file.
  auto stored = HR_TRY(backend.open(blob));
  std::string head(2, '\0');
  head.resize(HR_TRY(stored->read(head)));
  if (is_gzip(head) == raw) HR_TRY(backend.put(marker_key(blob), raw ? kGzipMarker : kRawMarker));
  return {};
}

/// True if the blob is there. An empty file is what a power loss leaves of one: it makes room for a good one.
Result<bool> is_stored(Backend& backend, const std::string& blob) {
  const auto size = HR_TRY(backend.size(blob));
  if (!size) return false;
  if (*size > 0) return true;
  HR_TRY(backend.remove(blob));
  return false;
}

class Writer final : public BlobWriter {
 public:
  Writer(Backend& backend, std::string prefix) : backend_(backend), prefix_(std::move(prefix)) {}

  Result<void> append(std::string_view bytes) override {
    size_ += bytes.size();
    if (bytes.size() < kHashAsideMin) {
      hash_.update(bytes);
      return store(bytes);
    }
    std::jthread hashing{[&] { hash_.update(bytes); }};
    return store(bytes);
  }

  void sample(std::string_view bytes) override {
    if (!undecided()) return;
    const std::string some = spots(bytes);
    compress_ = worth_it(codec::gzip(some).size(), some.size());
  }

  [[nodiscard]] bool undecided() const override { return !compress_ && head_.empty(); }

  Result<StoredBlob> commit() override {
    StoredBlob result{.key = BlobKey{hash_.finish_hex()}, .size = size_};
    const std::string blob = prefix_ + "/" + result.key.str().substr(0, 2) + "/" + result.key.str();
    if (HR_TRY(is_stored(backend_, blob))) return result;
    if (!file_) HR_TRY(start(""));
    if (*compress_) {
      gzip_->finish(out_);
      HR_TRY(file_->write(out_));
    }
    HR_TRY(publish(backend_, blob, !*compress_, [&] { return file_->commit_new(blob); }));
    return result;
  }

 private:
  Result<void> store(std::string_view bytes) {
    if (!file_) {
      if (!compress_ && head_.size() + bytes.size() < kHeadMax) {
        head_ += bytes;
        return {};
      }
      HR_TRY(start(bytes));
    }
    return emit(bytes);
  }

  /// Decides if nobody has, and writes what was held back. `more` comes next.
  Result<void> start(std::string_view more) {
    if (!compress_) {
      const std::string some = spots(head_) + spots(more);
      compress_ = worth_it(codec::gzip(some).size(), some.size());
    }
    if (*compress_) gzip_.emplace();
    file_ = HR_TRY(backend_.create(prefix_));
    HR_TRY(emit(head_));
    head_ = {};
    return {};
  }

  Result<void> emit(std::string_view bytes) {
    if (!*compress_) return file_->write(bytes);
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kOutPiece);
      bytes.remove_prefix(piece.size());
      gzip_->write(piece, out_);
      if (out_.size() < kOutPiece) continue;
      HR_TRY(file_->write(out_));
      out_.clear();
    }
    return {};
  }

  Backend& backend_;
  std::string prefix_;  ///< FLOW/data
  codec::Sha1 hash_;
  std::uint64_t size_ = 0;
  std::string head_;  ///< held back until it is decided
  std::optional<bool> compress_;
  std::optional<codec::GzipWriter> gzip_;
  std::string out_;
  std::unique_ptr<ObjectWriter> file_;
};

class Reader final : public BlobReader {
 public:
  Reader(std::unique_ptr<ObjectReader> file, std::string place, BlobKey key, BlobUse use, bool raw)
      : file_(std::move(file)), place_(std::move(place)), key_(std::move(key)), use_(std::move(use)), raw_(raw) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    if (done_) return std::size_t{0};
    if (!started_) HR_TRY(begin());
    const std::size_t n = buffer.size() < kHashAsideMin ? HR_TRY(read_and_hash(buffer)) : HR_TRY(read_hashing_aside(buffer));
    if (n > 0) return n;
    done_ = true;
    const std::string found = hash_.finish_hex();
    if (found == key_.str()) return std::size_t{0};
    return bad(fmt::format("its content was changed or damaged: the SHA-1 is {}, not {}", found, key_.str()));
  }

 private:
  Error bad(std::string why) const { return not_loaded(use_, key_, place_, Kind::failed, std::move(why)); }

  /// The first bytes show what the file is when its marker is lost or speaks of another writer's file; the hash confirms.
  Result<void> begin() {
    started_ = true;
    piece_.resize(kReadPiece);
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

  Result<std::size_t> read_and_hash(std::span<char> buffer) {
    const std::size_t n = HR_TRY(decode(buffer));
    hash_.update({buffer.data(), n});
    return n;
  }

  /// Fills the buffer while a second thread hashes what is there already.
  Result<std::size_t> read_hashing_aside(std::span<char> buffer) {
    constexpr std::size_t kLast = std::size_t{1} << 63U;
    std::atomic<std::size_t> decoded{0};  // bytes of the buffer that are final; kLast is added at the end
    std::jthread hashing{[&] {
      std::size_t hashed = 0;
      for (;;) {
        const std::size_t seen = decoded.load();
        const std::size_t until = seen & ~kLast;
        if (until > hashed) {
          hash_.update({buffer.data() + hashed, until - hashed});
          hashed = until;
        } else if ((seen & kLast) != 0) {
          return;
        } else {
          decoded.wait(seen);
        }
      }
    }};
    std::size_t used = 0;
    Result<std::size_t> n = std::size_t{0};
    while (used < buffer.size()) {
      n = decode(buffer.subspan(used, std::min(buffer.size() - used, kHashPiece)));
      if (!n || *n == 0) break;
      used += *n;
      decoded.store(used);
      decoded.notify_one();
    }
    decoded.store(used | kLast);
    decoded.notify_one();
    hashing.join();
    if (!n) return std::move(n).error();
    return used;
  }

  /// The next uncompressed bytes; 0 at the end, and again when asked again.
  Result<std::size_t> decode(std::span<char> buffer) {
    if (ended_) return std::size_t{0};
    const std::size_t n = raw_ ? HR_TRY(read_raw(buffer)) : HR_TRY(read_gzip(buffer));
    ended_ = n == 0;
    return n;
  }

  Result<std::size_t> read_raw(std::span<char> buffer) {
    if (at_ == piece_.size()) return file_->read(buffer);
    const std::size_t n = std::min(buffer.size(), piece_.size() - at_);
    std::copy_n(piece_.data() + at_, n, buffer.data());
    at_ += n;
    return n;
  }

  Result<std::size_t> read_gzip(std::span<char> buffer) {
    for (;;) {
      auto n = gzip_->read(buffer.data(), buffer.size());
      if (!n) return bad(n.error().why.empty() ? n.error().what : n.error().why);
      if (*n > 0) return *n;
      piece_.resize(kReadPiece);
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
  codec::Sha1 hash_;
  std::optional<codec::GzipReader> gzip_;
  std::string piece_;
  std::size_t at_ = 0;  ///< in `piece_`, raw only
};

}  // namespace

BlobStore::BlobStore(Backend& backend, FlowName flow) : backend_(backend), flow_(std::move(flow)) {}

Result<BlobKey> BlobStore::put(std::string_view bytes) { return put(bytes, false); }

Result<BlobKey> BlobStore::put_raw(std::string_view bytes) { return put(bytes, true); }

Result<BlobKey> BlobStore::put(std::string_view bytes, bool raw) {
  BlobKey key{codec::sha1_hex(bytes)};
  const std::string blob = blob_key(key);
  if (HR_TRY(is_stored(backend_, blob))) return key;
  std::string compressed;
  raw = raw || bytes.size() < kCompressMin;
  if (!raw) {
    compressed = codec::gzip(bytes);
    raw = !worth_it(compressed.size(), bytes.size());
  }
  HR_TRY(publish(backend_, blob, raw, [&] { return backend_.put_new(blob, raw ? bytes : std::string_view{compressed}); }));
  return key;
}

Result<std::unique_ptr<BlobWriter>> BlobStore::writer() {
  return std::unique_ptr<BlobWriter>{std::make_unique<Writer>(backend_, flow_.str() + "/data")};
}

std::string BlobStore::blob_key(const BlobKey& key) const {
  return flow_.str() + "/data/" + key.str().substr(0, 2) + "/" + key.str();
}

Result<std::unique_ptr<ObjectReader>> BlobStore::open(const BlobKey& key, const BlobUse& use) {
  if (!codec::is_sha1_hex(key.str()) || !is_plain_name(flow_.str())) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` is not the key of a blob", key.str())};
  }
  return open_object(backend_, blob_key(key), key, use);
}

Result<std::unique_ptr<BlobReader>> BlobStore::raw_reader(const BlobKey& key, const BlobUse& use) {
  auto file = HR_TRY(open(key, use));
  return std::unique_ptr<BlobReader>{
      std::make_unique<Reader>(std::move(file), backend_.location(blob_key(key)), key, use, true)};
}

Result<std::unique_ptr<BlobReader>> read_object(Backend& backend, const std::string& object, const BlobKey& key,
                                                const BlobUse& use) {
  auto file = HR_TRY(open_object(backend, object, key, use));
  return std::unique_ptr<BlobReader>{std::make_unique<Reader>(std::move(file), backend.location(object), key, use, false)};
}

Result<std::unique_ptr<BlobReader>> BlobStore::reader(const BlobKey& key, const BlobUse& use) {
  auto file = HR_TRY(open(key, use));
  const std::string blob = blob_key(key);
  bool raw = false;
  if (auto marker = backend_.get(marker_key(blob))) {
    const auto json = codec::parse_json(*marker, blob);
    if (json && json->is_object()) raw = codec::find_bool(*json, "cas_raw").ok() && codec::find_bool(*json, "cas_raw")->value_or(false);
  } else if (marker.error().kind != Kind::missing) {
    return std::move(marker).error();
  }
  return std::unique_ptr<BlobReader>{
      std::make_unique<Reader>(std::move(file), backend_.location(blob), key, use, raw)};
}

Result<std::string> BlobStore::get(const BlobKey& key, const BlobUse& use) {
  const std::unique_ptr<BlobReader> blob = HR_TRY(reader(key, use));
  std::string bytes(4 << 10, '\0');
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    const std::size_t n = HR_TRY(blob->read({bytes.data() + used, bytes.size() - used}));
    if (n == 0) break;
    used += n;
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace headrace::store
