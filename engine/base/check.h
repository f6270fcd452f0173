#pragma once

#include <string_view>

namespace headrace {

/// Prints the broken invariant with its place and aborts. Never returns. Used by HR_CHECK.
[[noreturn]] void check_failed(std::string_view condition, std::string_view file, int line);

}  // namespace headrace

/// Stops the process when an invariant of our own code is broken, in release too. User input never reaches an HR_CHECK.
#define HR_CHECK(condition)                                                  \
  do {                                                                       \
    if (!(condition)) ::headrace::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
