#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/gzip.h"

// The pieces in which a file comes do not change what comes out of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  constexpr std::size_t kOutMax = 1 << 20;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto whole = codec::gunzip(file, kOutMax);
  codec::GzipReader reader;
  std::string out;
  bool fine = true;
  for (std::size_t i = 0; i < size && fine && out.size() <= kOutMax; i += 3) {
    reader.feed(file.substr(i, 3));
    for (;;) {
      char buffer[97];
      const auto count = reader.read(buffer, sizeof buffer);
      fine = count.ok();
      if (!fine || *count == 0) break;
      out.append(buffer, *count);
    }
  }
  if (out.size() > kOutMax) return 0;
  fine = fine && reader.finish().ok();
  HR_CHECK(fine == whole.ok());
  HR_CHECK(!fine || out == *whole);
  return 0;
}
