#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "codec/json.h"

// What can be read is written so that it reads back equal; getters take any value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::codec;
  const auto value = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!value) return 0;
  const std::string text = dump_json(*value);
  const auto again = parse_json(text, "fuzz");
  HR_CHECK(again.ok());
  HR_CHECK(dump_json(*again) == text);
  (void)get_string(*value, "a");
  (void)get_int(*value, "a");
  (void)get_uint(*value, "a");
  (void)get_number(*value, "a");
  (void)get_strings(*value, "a");
  (void)find_object(*value, "a");
  return 0;
}
