#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::codec {

/// Makes one gzip member, piece by piece, fast (ISA-L, level 1). Fixed memory, whatever the size.
class GzipWriter {
 public:
  GzipWriter();
  ~GzipWriter();
  GzipWriter(GzipWriter&&) noexcept;
  GzipWriter& operator=(GzipWriter&&) noexcept;

  /// Appends to `out` what `bytes` gives so far; may be nothing.
  void write(std::string_view bytes, std::string& out);
  /// Appends the rest and the trailer. Once, last.
  void finish(std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads gzip, of one or more members, piece by piece. Zero bytes after the last member are allowed, as in Python.
/// Fixed memory: the caller takes at most as many bytes at a time as it has room for.
///
///   while (...) { in.feed(next piece); while (size_t n = HR_TRY(in.read(buffer, size))) use(buffer, n); }
///   HR_TRY(in.finish());
class GzipReader {
 public:
  GzipReader();
  ~GzipReader();
  GzipReader(GzipReader&&) noexcept;
  GzipReader& operator=(GzipReader&&) noexcept;

  /// The next piece of the file. It must stay valid until `read` has given 0, which must be before the next `feed`.
  void feed(std::string_view bytes);
  /// Fills `out` as far as the fed bytes go; 0 when more must be fed. Error: not gzip, damaged, or a wrong checksum.
  Result<std::size_t> read(char* out, std::size_t size);
  /// Error if the file ended in the middle of a member, or was empty.
  Result<void> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// For small data. The header has no name and no time, so equal bytes give equal gzip.
[[nodiscard]] std::string gzip(std::string_view bytes);

/// For small data. An error when the result would be larger than `bytes_max`.
Result<std::string> gunzip(std::string_view bytes, std::uint64_t bytes_max = std::uint64_t{1} << 32);

/// Is gzip worth its time for bytes like these? True when `sample` shrinks by 5 in 100 or more. Takes about a millisecond
/// a megabyte: give it a few pieces from here and there (see `kCompressSampleBytes`), not all.
[[nodiscard]] bool compresses_well(std::string_view sample);
inline constexpr std::size_t kCompressSampleBytes = 256 * 1024;

}  // namespace headrace::codec
