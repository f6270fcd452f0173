#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

/// Writes everything; 0, or errno.
[[nodiscard]] int write_all(int fd, std::string_view bytes);
/// The same from `at` on, wherever the descriptor is.
[[nodiscard]] int write_all_at(int fd, std::string_view bytes, std::uint64_t at);

}  // namespace headrace
