#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace headrace::store {

/// Appends `text` (UTF-8; bad bytes become U+FFFD) as a JSON string with ASCII escapes, as Python's json.dumps does.
void append_quoted(std::string& out, std::string_view text);
/// Appends a value in json.dumps' default style: ", " and ": " between, keys in order, ASCII only.
void append_json(std::string& out, const nlohmann::ordered_json& value);
[[nodiscard]] std::string python_json(const nlohmann::ordered_json& value);

}  // namespace headrace::store
