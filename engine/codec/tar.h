#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::codec {

/// One regular file of an archive.
struct TarMember {
  std::string name;
  std::uint64_t size = 0;
  bool executable = false;
};

/// Takes the members of an archive as they are met.
class TarSink {
 public:
  virtual ~TarSink() = default;
  /// A file begins; `content` follows until it has its size, then `end`. An error ends the reading.
  virtual Result<void> begin(const TarMember& member) = 0;
  virtual Result<void> content(std::string_view bytes) = 0;
  virtual Result<void> end() = 0;
};

/// Reads a tar archive piece by piece in fixed memory: ustar, PAX and GNU's long names, as Python's `tarfile` writes them.
///
/// Gives regular files; directories are passed over (names of files imply them). Error (failed) for what is damaged, and for
/// members of other kinds and names that would lead out of a folder: absolute, or with an empty, `.` or `..` part. A leading `./`
/// is dropped.
class TarReader {
 public:
  /// `sink` must outlive the reader.
  explicit TarReader(TarSink& sink) : sink_(sink) {}

  Result<void> feed(std::string_view bytes);
  /// Error if the archive ended in the middle of a member.
  Result<void> finish();

 private:
  enum class State { header, content, extension, padding, ended };
  Result<void> header();
  Result<void> extension();
  Result<void> member_ended();
  Result<void> begin_member(TarMember member);

  TarSink& sink_;
  State state_ = State::header;
  std::string block_;            ///< a header that is not whole yet
  std::uint64_t left_ = 0;       ///< of a member's content, or of an extension
  std::uint64_t padding_ = 0;
  char kind_ = 0;                ///< of the extension
  std::string extension_;
  std::string long_name_;        ///< for the next member
  std::int64_t long_size_ = -1;
};

/// Writes an archive of regular files: ustar, with a PAX header for a name that it cannot hold. Equal input, equal bytes.
class TarWriter {
 public:
  /// Appends a member to `out`. Mode 0644; `modified` in seconds since 1970.
  void add(std::string_view name, std::string_view content, std::int64_t modified, std::string& out);
  /// Appends the end of the archive.
  void finish(std::string& out);
};

}  // namespace headrace::codec
