#include "store/blob_streams.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace headrace::store {
namespace {

/// Moved at once: large enough that a thread to hash it, or to read the next, pays.
constexpr std::size_t kChunk = 4 << 20;
/// The first one: many blobs are not larger.
constexpr std::size_t kFirstChunk = 1 << 20;
constexpr std::size_t kSampleSpots = 8;
constexpr std::size_t kSampleSpot = 32 << 10;

iovec remote_at(std::uint64_t address, std::size_t size) {
  // The address belongs to the other process; only the kernel looks at it.
  return {.iov_base = reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)), .iov_len = size};
}

/// How many bytes could be copied out of the process; less than asked at the end of its memory, 0 if it may not be read.
std::size_t copy_out(pid_t pid, std::uint64_t address, char* to, std::size_t size) {
  std::size_t copied = 0;
  while (copied < size) {
    const iovec local{.iov_base = to + copied, .iov_len = size - copied};
    const iovec remote = remote_at(address + copied, size - copied);
    const ssize_t n = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (n <= 0) {
      if (n < 0 && errno == EINTR) continue;
      break;
    }
    copied += static_cast<std::size_t>(n);
  }
  return copied;
}

std::size_t copy_in(pid_t pid, std::uint64_t address, std::string_view bytes) {
  std::size_t copied = 0;
  while (copied < bytes.size()) {
    const iovec local{.iov_base = const_cast<char*>(bytes.data()) + copied, .iov_len = bytes.size() - copied};
    const iovec remote = remote_at(address + copied, bytes.size() - copied);
    const ssize_t n = ::process_vm_writev(pid, &local, 1, &remote, 1, 0);
    if (n <= 0) {
      if (n < 0 && errno == EINTR) continue;
      break;
    }
    copied += static_cast<std::size_t>(n);
  }
  return copied;
}

Error wrong_way(std::string_view asked) {
  return Error{.kind = Kind::misuse, .what = fmt::format("this stream cannot be asked to {}", asked)};
}

}  // namespace

Result<void> BlobStream::fill_ahead() {
  if (ahead_at_ < ahead_.size()) return {};
  if (!next_ready_) read_next();
  next_ready_ = false;
  std::swap(ahead_, next_);
  ahead_at_ = 0;
  if (!next_read_) return next_read_.error();
  return {};
}

void BlobStream::read_next() {
  next_.resize(ahead_.empty() ? kFirstChunk : kChunk);
  next_read_ = reader_->read(next_);
  next_.resize(next_read_ ? *next_read_ : 0);
  next_ready_ = true;
}

Result<BlobStream::Piece> BlobStream::take_ahead(std::uint64_t length) {
  HR_TRY(fill_ahead());
  Piece piece;
  const std::size_t n = std::min<std::uint64_t>(length, ahead_.size() - ahead_at_);
  piece.bytes.assign(ahead_, ahead_at_, n);
  piece.length = n;
  ahead_at_ += n;
  return piece;
}

Result<BlobStream::Piece> BlobStream::read_into(std::uint64_t length, pid_t pid, std::uint64_t address) {
  const std::lock_guard lock{busy_};
  if (!reader_) return wrong_way("read");
  std::uint64_t done = 0;
  while (done < length) {
    HR_TRY(fill_ahead());
    const std::string_view next{ahead_.data() + ahead_at_, std::min<std::uint64_t>(length - done, ahead_.size() - ahead_at_)};
    if (next.empty()) break;
    std::jthread reading;  // the next chunk, while this one is copied
    if (!next_ready_ && length - done > next.size()) reading = std::jthread{[this] { read_next(); }};
    const std::size_t n = copy_in(pid, address + done, next);
    if (reading.joinable()) reading.join();
    ahead_at_ += n;
    done += n;
    if (n < next.size()) {
      if (done == 0) return take_ahead(std::min(length, kPieceMax));
      break;  // the rest of this memory cannot be written: the next request shows it
    }
  }
  // A blob that proves damaged at its very end is reported before the process can believe it has all of it.
  HR_TRY(fill_ahead());
  return Piece{.length = done, .in_place = true, .bytes = {}};
}

Result<BlobStream::Piece> BlobStream::read(std::uint64_t length) {
  const std::lock_guard lock{busy_};
  if (!reader_) return wrong_way("read");
  Piece piece = HR_TRY(take_ahead(std::min(length, kPieceMax)));
  HR_TRY(fill_ahead());
  return piece;
}

Result<void> BlobStream::write_from(std::uint64_t length, pid_t pid, std::uint64_t address) {
  const std::lock_guard lock{busy_};
  if (!writer_) return wrong_way("write");
  std::string buffer(std::min<std::uint64_t>(length, kChunk), '\0');
  if (writer_->undecided() && length >= kSampleSpots * kSampleSpot) {
    std::size_t used = 0;
    for (std::size_t i = 0; i < kSampleSpots; ++i) {
      const std::uint64_t at = address + (length - kSampleSpot) / (kSampleSpots - 1) * i;
      used += copy_out(pid, at, buffer.data() + used, kSampleSpot);
    }
    writer_->sample({buffer.data(), used});
  }
  for (std::uint64_t done = 0; done < length;) {
    const std::size_t wanted = std::min<std::uint64_t>(length - done, buffer.size());
    if (copy_out(pid, address + done, buffer.data(), wanted) < wanted) {
      if (done == 0) return Error{.kind = Kind::retry, .what = "memory"};
      return Error{.kind = Kind::failed,
                   .what = "an artifact cannot be saved",
                   .where = fmt::format("process {}", pid),
                   .why = "its memory could no longer be read in the middle of the copy"};
    }
    HR_TRY(writer_->append({buffer.data(), wanted}));
    done += wanted;
  }
  return {};
}

Result<void> BlobStream::write(std::string_view bytes) {
  const std::lock_guard lock{busy_};
  if (!writer_) return wrong_way("write");
  return writer_->append(bytes);
}

Result<StoredBlob> BlobStream::commit() {
  const std::lock_guard lock{busy_};
  if (!writer_) return wrong_way("commit");
  return writer_->commit();
}

Result<std::uint64_t> BlobStreams::add(std::shared_ptr<BlobStream> stream) {
  if (open_.size() >= kOpenMax) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("more than {} artifacts are being loaded or saved at once", kOpenMax),
                 .where = {},
                 .why = "each holds a file and a buffer open",
                 .next = "load or save fewer artifacts side by side"};
  }
  open_.emplace(next_, std::move(stream));
  return next_++;
}

Result<std::shared_ptr<BlobStream>> BlobStreams::find(std::uint64_t id) const {
  const auto found = open_.find(id);
  if (found == open_.end()) return Error{.kind = Kind::misuse, .what = fmt::format("stream {} is not open", id)};
  return found->second;
}

Result<std::shared_ptr<BlobStream>> BlobStreams::take(std::uint64_t id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return Error{.kind = Kind::misuse, .what = fmt::format("stream {} is not open", id)};
  std::shared_ptr<BlobStream> stream = std::move(found->second);
  open_.erase(found);
  return stream;
}

}  // namespace headrace::store
