#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "s3/address.h"
#include "s3/documents.h"

// Any bytes are one of S3's documents or none; what is escaped comes back; an address is written as it was read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::s3;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)read_error(text);
  (void)read_upload_id(text);
  (void)read_upload_etag(text);
  if (const auto page = read_list(text)) HR_CHECK(page->entries.size() <= size);
  (void)read_time(text);
  HR_CHECK(unescape(text).size() <= size);
  HR_CHECK(unescape(escape_query(text)) == text);
  HR_CHECK(unescape(escape_path(text)) == text);
  if (const auto address = parse_address(text)) {
    const auto again = parse_address(address->str());
    HR_CHECK(again.ok() && *again == *address);
  }
  return 0;
}
