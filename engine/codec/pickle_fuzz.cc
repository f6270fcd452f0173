#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)headrace::codec::read_pickle(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
