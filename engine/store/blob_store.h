#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "store/backend.h"

namespace headrace::store {

/// For error texts only: whose blob it is.
struct BlobUse {
  std::string name;  ///< artifact, e.g. "x"; may be empty
  std::string path;  ///< run/step/task; may be empty
};

struct StoredBlob {
  BlobKey key;
  std::uint64_t size = 0;  ///< before compression
};

/// Writes one blob of any size in bounded memory: hashes, and compresses or not while it is appended. Dropping it leaves
/// nothing behind. One thread at a time.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  /// Adds a copy of `bytes`.
  Result<void> append(std::string_view bytes);
  /// Where the next bytes can be put without a copy; never empty. Then say how many were `added`.
  virtual std::span<char> space() = 0;
  virtual Result<void> added(std::size_t size) = 0;
  /// Bytes that are typical for the whole; whether to compress is decided by the first sample, or by the first megabyte.
  virtual void sample(std::string_view bytes) = 0;
  /// True while nothing has been appended or sampled.
  [[nodiscard]] virtual bool undecided() const = 0;
  /// Publishes the blob; if the key exists already it is left as it is.
  virtual Result<StoredBlob> commit() = 0;
};

/// Reads one blob in bounded memory. The hash is checked when the end is reached: `next` then gives an error that names
/// artifact, task and file instead of the end. One thread at a time.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  /// The next uncompressed bytes, valid until the next call; empty at the end, when the hash was right.
  virtual Result<std::string_view> next() = 0;
};

/// Content-addressed blobs of one flow: FLOW/data/AB/ABCD... (docs/formats/datastore.md, blobs). Stateless; any thread.
class BlobStore {
 public:
  /// `backend` must outlive the store.
  BlobStore(Backend& backend, FlowName flow);
  /// As `Backend::at_once`.
  [[nodiscard]] std::size_t at_once() const { return backend_.at_once(); }

  /// Key = SHA-1 of `bytes`; stored compressed unless that gains nothing. An existing key is not written again.
  Result<BlobKey> put(std::string_view bytes);
  /// Stored as it is, for code packages.
  Result<BlobKey> put_raw(std::string_view bytes);
  Result<std::unique_ptr<BlobWriter>> writer();

  /// The whole blob, checked.
  Result<std::string> get(const BlobKey& key, const BlobUse& use = {});
  Result<std::unique_ptr<BlobReader>> reader(const BlobKey& key, const BlobUse& use = {});
  /// A blob of `put_raw`, whatever its marker says: a code package looks like gzip itself.
  Result<std::unique_ptr<BlobReader>> raw_reader(const BlobKey& key, const BlobUse& use = {});

 private:
  Result<BlobKey> put(std::string_view bytes, bool raw);
  [[nodiscard]] std::string blob_key(const BlobKey& key) const;

  Backend& backend_;
  FlowName flow_;
};

/// Reads any object that is gzip of bytes with this SHA-1, such as an included file, or those bytes themselves.
Result<std::unique_ptr<BlobReader>> read_object(Backend& backend, const std::string& object, const BlobKey& key,
                                                const BlobUse& use);

}  // namespace headrace::store
