#include "s3/file_part.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fmt/format.h>

namespace headrace::s3 {
namespace {

/// Fits into a core's cache, from which the checksum takes it.
constexpr std::size_t kReadBytes = 256 << 10;

/// Bytes read, 0 at the end, -1 with errno set.
ssize_t read_at(int fd, void* to, std::size_t most, std::uint64_t at) {
  ssize_t n = 0;
  do n = ::pread(fd, to, most, static_cast<off_t>(at));
  while (n < 0 && errno == EINTR);
  return n;
}

}  // namespace

Result<Crc> crc_of(CrcKind kind, const FilePart& part, const std::string& what) {
  std::vector<char> bytes(std::min<std::uint64_t>(kReadBytes, part.length));
  Crc crc{.kind = kind};
  while (crc.length < part.length) {
    const ssize_t n = read_at(part.fd, bytes.data(), std::min<std::uint64_t>(bytes.size(), part.length - crc.length), part.from + crc.length);
    if (n < 0) return system_error(errno, fmt::format("cannot read `{}`", what));
    if (n == 0) return Error{.kind = Kind::failed, .what = fmt::format("cannot store `{}`", what), .why = "it became shorter meanwhile"};
    crc.add({bytes.data(), static_cast<std::size_t>(n)});
  }
  return crc;
}

FilePartStream::FilePartStream(const FilePart& part) : part_(part) {
  static constexpr aws_input_stream_vtable kCalls{
      .seek = seek, .read = read, .get_status = get_status, .get_length = get_length, .acquire = nullptr, .release = nullptr};
  base_.impl = this;
  base_.vtable = &kCalls;
  aws_ref_count_init(&base_.ref_count, this, [](void* stream) { delete static_cast<FilePartStream*>(stream); });
}

FilePartStream* FilePartStream::make(const FilePart& part) { return new FilePartStream{part}; }

int FilePartStream::seek(aws_input_stream* base, std::int64_t offset, aws_stream_seek_basis basis) {
  FilePartStream& stream = of(base);
  const auto length = static_cast<std::int64_t>(stream.part_.length);
  const std::int64_t at = basis == AWS_SSB_BEGIN ? offset : length + offset;
  if (at < 0 || at > length) return aws_raise_error(AWS_IO_STREAM_INVALID_SEEK_POSITION);
  stream.at_ = static_cast<std::uint64_t>(at);
  return AWS_OP_SUCCESS;
}

int FilePartStream::read(aws_input_stream* base, aws_byte_buf* to) {
  FilePartStream& stream = of(base);
  const std::uint64_t most = std::min<std::uint64_t>(to->capacity - to->len, stream.part_.length - stream.at_);
  if (most == 0) return AWS_OP_SUCCESS;
  const ssize_t n = read_at(stream.part_.fd, to->buffer + to->len, most, stream.part_.from + stream.at_);
  if (n < 0) {
    stream.error_ = errno;
    return aws_raise_error(AWS_IO_STREAM_READ_FAILED);
  }
  stream.shorter_ = n == 0;
  stream.at_ += static_cast<std::uint64_t>(n);
  to->len += static_cast<std::size_t>(n);
  return AWS_OP_SUCCESS;
}

int FilePartStream::get_status(aws_input_stream* base, aws_stream_status* status) {
  const FilePartStream& stream = of(base);
  status->is_end_of_stream = stream.shorter_ || stream.at_ == stream.part_.length;
  status->is_valid = stream.error_ == 0;
  return AWS_OP_SUCCESS;
}

int FilePartStream::get_length(aws_input_stream* base, std::int64_t* length) {
  *length = static_cast<std::int64_t>(of(base).part_.length);
  return AWS_OP_SUCCESS;
}

}  // namespace headrace::s3
