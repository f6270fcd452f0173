#include "codec/json_path.h"

namespace headrace::codec {

const Json& value_at(const Json& json, std::initializer_list<std::string_view> names) {
  static const Json kNone;
  const Json* at = &json;
  for (const std::string_view name : names) {
    const auto found = at->find(name);  // the end where `at` is no object
    if (found == at->end()) return kNone;
    at = &*found;
  }
  return *at;
}

const Json& value_at(const Json& json, std::string_view name) { return value_at(json, {name}); }

std::string text_at(const Json& json, std::initializer_list<std::string_view> names) {
  const Json& value = value_at(json, names);
  return value.is_string() ? value.get<std::string>() : std::string{};
}

std::string text_at(const Json& json, std::string_view name) { return text_at(json, {name}); }

}  // namespace headrace::codec
