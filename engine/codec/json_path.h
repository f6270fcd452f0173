#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "codec/json.h"

namespace headrace::codec {

/// What is at a path of names in JSON that others have written and that may lack any part of it (objects of a cluster); null
/// where there is nothing. Valid as long as `json`.
[[nodiscard]] const Json& value_at(const Json& json, std::initializer_list<std::string_view> names);
[[nodiscard]] const Json& value_at(const Json& json, std::string_view name);

/// The text there; empty where there is none.
[[nodiscard]] std::string text_at(const Json& json, std::initializer_list<std::string_view> names);
[[nodiscard]] std::string text_at(const Json& json, std::string_view name);

}  // namespace headrace::codec
