#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/base64.h"
#include "codec/timestamp.h"
#include "codec/utf8.h"

// Small texts: what was read is written as it is read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::codec;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string text = to_utf8(bytes);
  HR_CHECK(is_utf8(text));
  HR_CHECK(to_utf8(text) == text);
  HR_CHECK(!is_utf8(bytes) || text == bytes);
  const auto back = from_base64(to_base64(bytes));
  HR_CHECK(back.ok() && *back == bytes);
  if (const auto read = from_base64(bytes)) HR_CHECK(to_base64(*read) == bytes);
  if (const auto time = from_iso(bytes)) HR_CHECK(from_iso(to_iso(*time)) == time);
  return 0;
}
