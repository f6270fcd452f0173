#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace headrace::codec {

/// Keeps keys in the order given, as Python's dicts do.
using Json = nlohmann::ordered_json;

/// Deeper nesting is refused: values are visited recursively.
inline constexpr int kJsonDepthMax = 200;

/// Parses one JSON value. `where` names the file or message in the error (kind `failed`), which says what is wrong at which byte.
/// Half of a surrogate pair becomes U+FFFD.
Result<Json> parse_json(std::string_view text, std::string_view where);

/// The text that Python's `json.dumps(value)` gives: `", "` and `": "`, all but ASCII escaped, floats as `repr`.
/// Bytes that are not UTF-8 become the lone surrogates that Python's `surrogateescape` uses.
[[nodiscard]] std::string dump_json(const Json& value);

/// `json.dumps(value)` of a float: the shortest digits that read back equal; `NaN`, `Infinity`.
[[nodiscard]] std::string python_float(double value);

/// The field `key` of `object`. Errors (kind `failed`): not an object, no such field, or of another type: they say the key,
/// what was expected and what is there. Add where with `.at(...)`.
Result<std::string> get_string(const Json& object, std::string_view key);
Result<std::int64_t> get_int(const Json& object, std::string_view key);
Result<std::uint64_t> get_uint(const Json& object, std::string_view key);
Result<double> get_number(const Json& object, std::string_view key);
Result<bool> get_bool(const Json& object, std::string_view key);
Result<std::vector<std::string>> get_strings(const Json& object, std::string_view key);
/// A pointer into `object`, valid as long as it.
Result<const Json*> get_object(const Json& object, std::string_view key);
Result<const Json*> get_array(const Json& object, std::string_view key);
/// Any type, null too.
Result<const Json*> get_any(const Json& object, std::string_view key);

/// As above, but nullopt when the field is absent or null.
Result<std::optional<std::string>> find_string(const Json& object, std::string_view key);
Result<std::optional<std::int64_t>> find_int(const Json& object, std::string_view key);
Result<std::optional<std::uint64_t>> find_uint(const Json& object, std::string_view key);
Result<std::optional<double>> find_number(const Json& object, std::string_view key);
Result<std::optional<bool>> find_bool(const Json& object, std::string_view key);
/// nullptr when the field is absent or null.
Result<const Json*> find_object(const Json& object, std::string_view key);

}  // namespace headrace::codec
