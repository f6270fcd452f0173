#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "logs/line_splitter.h"

namespace {

std::string split(std::string_view bytes, std::size_t piece, std::size_t line_max) {
  std::string all;
  headrace::logs::LineSplitter splitter(line_max);
  const auto take = [&](std::string_view line) {
    HR_CHECK(!line.empty() && line.size() <= line_max + 1);
    HR_CHECK(line.find('\n') == std::string_view::npos || line.find('\n') == line.size() - 1);
    all += line;
  };
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) splitter.feed(bytes.substr(0, piece), take);
  splitter.finish(take);
  return all;
}

std::string without_ends(std::string text) {
  std::erase(text, '\n');
  return text;
}

}  // namespace

// Lines are bounded. All bytes come out as they came in, whatever the pieces; a line beyond the bound only gets more ends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const std::size_t piece : {size + 1, std::size_t{3}}) {
    HR_CHECK(split(bytes, piece, size + 1) == bytes);
    HR_CHECK(without_ends(split(bytes, piece, 16)) == without_ends(bytes));
  }
  return 0;
}
