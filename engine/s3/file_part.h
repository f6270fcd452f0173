#pragma once

#include <cstdint>
#include <string>

#include <aws/io/stream.h>

#include "base/result.h"
#include "s3/crc.h"
#include "s3/crt.h"

namespace headrace::s3 {

/// Some bytes of a file that is open for reading.
struct FilePart {
  int fd = -1;
  std::uint64_t from = 0;
  std::uint64_t length = 0;
};

/// `what` is the file's name for errors: it cannot be read, or has become shorter.
[[nodiscard]] Result<Crc> crc_of(CrcKind kind, const FilePart& part, const std::string& what);

/// The part as a body that is read when it is sent, again for each try, and so needs no memory. One reference is the caller's.
class FilePartStream {
 public:
  [[nodiscard]] static FilePartStream* make(const FilePart& part);
  [[nodiscard]] aws_input_stream* base() { return &base_; }
  /// errno of reading it.
  [[nodiscard]] int error() const { return error_; }

 private:
  explicit FilePartStream(const FilePart& part);

  static FilePartStream& of(aws_input_stream* base) { return *static_cast<FilePartStream*>(base->impl); }
  static int seek(aws_input_stream* base, std::int64_t offset, aws_stream_seek_basis basis);
  static int read(aws_input_stream* base, aws_byte_buf* to);
  static int get_status(aws_input_stream* base, aws_stream_status* status);
  static int get_length(aws_input_stream* base, std::int64_t* length);

  aws_input_stream base_{};
  const FilePart part_;
  std::uint64_t at_ = 0;  ///< in the part
  bool shorter_ = false;  ///< than it was
  int error_ = 0;
};

}  // namespace headrace::s3
