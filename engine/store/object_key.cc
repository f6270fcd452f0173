#include "store/object_key.h"

#include <fmt/format.h>

namespace headrace::store {

bool is_key(std::string_view key) {
  bool at_start = true;
  for (const char c : key) {
    if (c == '\0' || (at_start && (c == '/' || c == '.'))) return false;
    at_start = c == '/';
  }
  return !at_start;
}

Error bad_key(std::string_view key) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("`{}` cannot be the name of a stored object", key),
               .why = "a name may not be empty, begin with a dot, or leave its directory"};
}

}  // namespace headrace::store
