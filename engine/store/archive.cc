#include "store/archive.h"

#include <string>
#include <string_view>

#include "codec/gzip.h"

namespace headrace::store {

namespace {

constexpr std::size_t kPieceBytes = 256 << 10;

}  // namespace

Result<void> read_archive(BlobReader& blob, codec::TarSink& files) {
  codec::GzipReader gzip;
  codec::TarReader tar(files);
  std::string buffer(kPieceBytes, '\0');
  for (;;) {
    const std::string_view piece = HR_TRY(blob.next());
    if (piece.empty()) break;
    gzip.feed(piece);
    for (;;) {
      const std::size_t size = HR_TRY(gzip.read(buffer.data(), buffer.size()));
      if (size == 0) break;
      HR_TRY(tar.feed(std::string_view(buffer).substr(0, size)));
    }
  }
  HR_TRY(gzip.finish());
  return tar.finish();
}

}  // namespace headrace::store
