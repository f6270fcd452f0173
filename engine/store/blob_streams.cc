#include "store/blob_streams.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace headrace::store {
namespace {

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
  if (ahead_.empty()) ahead_ = HR_TRY(reader_->next());
  return {};
}

Result<BlobStream::Piece> BlobStream::take_ahead(std::uint64_t length) {
  HR_TRY(fill_ahead());
  Piece piece;
  piece.bytes = ahead_.substr(0, length);
  piece.length = piece.bytes.size();
  ahead_.remove_prefix(piece.bytes.size());
  return piece;
}

Result<BlobStream::Piece> BlobStream::read_into(std::uint64_t length, pid_t pid, std::uint64_t address) {
  const std::lock_guard lock{busy_};
  if (!reader_) return wrong_way("read");
  std::uint64_t done = 0;
  while (done < length) {
    HR_TRY(fill_ahead());
    const std::string_view next = ahead_.substr(0, length - done);
    if (next.empty()) break;
    const std::size_t n = copy_in(pid, address + done, next);
    ahead_.remove_prefix(n);
    done += n;
    if (n < next.size()) {
      if (done == 0) return take_ahead(std::min(length, kPieceMax));
      break;  // the rest of this memory cannot be written: the next request shows it
    }
  }
  return Piece{.length = done, .in_place = true, .bytes = {}};
}

Result<BlobStream::Piece> BlobStream::read(std::uint64_t length) {
  const std::lock_guard lock{busy_};
  if (!reader_) return wrong_way("read");
  return take_ahead(std::min(length, kPieceMax));
}

Result<void> BlobStream::write_from(std::uint64_t length, pid_t pid, std::uint64_t address) {
  const std::lock_guard lock{busy_};
  if (!writer_) return wrong_way("write");
  if (writer_->undecided() && length >= kSampleSpots * kSampleSpot) {
    std::string some(kSampleSpots * kSampleSpot, '\0');
    std::size_t used = 0;
    for (std::size_t i = 0; i < kSampleSpots; ++i) {
      const std::uint64_t at = address + (length - kSampleSpot) / (kSampleSpots - 1) * i;
      used += copy_out(pid, at, some.data() + used, kSampleSpot);
    }
    writer_->sample({some.data(), used});
  }
  for (std::uint64_t done = 0; done < length;) {
    const std::span<char> to = writer_->space();
    const std::size_t wanted = std::min<std::uint64_t>(length - done, to.size());
    if (copy_out(pid, address + done, to.data(), wanted) < wanted) {
      if (done == 0) return Error{.kind = Kind::retry, .what = "memory"};
      return Error{.kind = Kind::failed,
                   .what = "an artifact cannot be saved",
                   .where = fmt::format("process {}", pid),
                   .why = "its memory could no longer be read in the middle of the copy"};
    }
    HR_TRY(writer_->added(wanted));
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
