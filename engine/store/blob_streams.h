#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/blob_store.h"

namespace headrace::store {

/// A large blob on its way to or from one process, moved in bounded pieces. Functions block (worker pool); a second call
/// waits for the first.
class BlobStream {
 public:
  explicit BlobStream(std::unique_ptr<BlobReader> reader) : reader_(std::move(reader)) {}
  explicit BlobStream(std::unique_ptr<BlobWriter> writer) : writer_(std::move(writer)) {}

  /// What `read` gives back. `bytes` holds them unless they are in the process already.
  struct Piece {
    std::uint64_t length = 0;
    bool in_place = false;
    std::string bytes;
  };
  /// Up to `length` next bytes into the memory of `pid` at `address`. If that memory cannot be written (nothing has been
  /// consumed by then), the bytes come back in the Piece, at most kPieceMax of them. Length 0: end, hash checked; until it
  /// has come, what was given is not known to be right.
  Result<Piece> read_into(std::uint64_t length, pid_t pid, std::uint64_t address);
  /// Up to min(length, kPieceMax) next bytes.
  Result<Piece> read(std::uint64_t length);

  /// Appends `length` bytes of the memory of `pid`. Error `retry` with what = `memory` when it cannot be read; nothing has
  /// been appended then.
  Result<void> write_from(std::uint64_t length, pid_t pid, std::uint64_t address);
  Result<void> write(std::string_view bytes);
  Result<StoredBlob> commit();

  static constexpr std::uint64_t kPieceMax = 16 << 20;

 private:
  Result<void> fill_ahead();
  Result<Piece> take_ahead(std::uint64_t length);

  std::mutex busy_;
  std::unique_ptr<BlobReader> reader_;
  std::unique_ptr<BlobWriter> writer_;
  std::string_view ahead_;  ///< read from the blob, not yet delivered; belongs to the reader
};

/// The open streams of one channel, by number. Belongs to the loop thread.
class BlobStreams {
 public:
  /// Bounds what a process can hold open: a file and up to 4 MiB each.
  static constexpr std::size_t kOpenMax = 256;

  Result<std::uint64_t> add(std::shared_ptr<BlobStream> stream);
  /// Error `misuse` for an unknown number.
  Result<std::shared_ptr<BlobStream>> find(std::uint64_t id) const;
  /// The stream, which is no longer in the table.
  Result<std::shared_ptr<BlobStream>> take(std::uint64_t id);

 private:
  std::map<std::uint64_t, std::shared_ptr<BlobStream>> open_;
  std::uint64_t next_ = 1;
};

}  // namespace headrace::store
