// Foreign bytes as a manifest and as metadata: any bytes give a value or an error, and a manifest that was read can be
// written and read again.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "codec/json.h"
#include "store/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  const auto manifest = store::parse_manifest(bytes, "fuzz");
  if (!manifest) return 0;
  const std::string written = store::to_json(*manifest);
  const auto again = store::parse_manifest(written, "fuzz");
  if (!again || again->artifacts != manifest->artifacts) std::abort();
  if (!codec::parse_json(store::to_wire(*manifest), "fuzz")) std::abort();
  return 0;
}
