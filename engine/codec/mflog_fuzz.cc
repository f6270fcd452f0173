#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "codec/mflog.h"

// Lines come back in full, whatever the bytes are, and what is framed has a time.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto lines = codec::parse_log(file);
  for (const codec::LogLine& line : lines) {
    HR_CHECK(line.framed == codec::log_line_time(line).has_value());
    HR_CHECK(!line.framed || (!line.source.empty() && !line.id.empty()));
  }
  HR_CHECK(codec::merge_logs({file, file}).size() == 2 * lines.size());
  return 0;
}
