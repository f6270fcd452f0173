#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <aws/common/byte_buf.h>
#include <aws/common/error.h>
#include <aws/common/string.h>

/// Small bridges between the AWS Common Runtime's C types and ours; for this module only.
namespace headrace::s3 {

template <auto Release>
struct Releases {
  template <class T>
  void operator()(T* held) const { Release(held); }
};
/// Owns one reference of a CRT object.
template <class T, auto Release>
using Held = std::unique_ptr<T, Releases<Release>>;

[[nodiscard]] inline aws_byte_cursor cursor(std::string_view text) { return aws_byte_cursor_from_array(text.data(), text.size()); }
[[nodiscard]] inline std::string_view view(const aws_byte_cursor& bytes) {
  return {reinterpret_cast<const char*>(bytes.ptr), bytes.len};
}
[[nodiscard]] inline std::string_view view(const aws_string* text) {
  return text == nullptr ? std::string_view{} : std::string_view{aws_string_c_str(text), text->len};
}

/// Once a process, before anything else of the CRT; any thread.
void start_library();

}  // namespace headrace::s3
