#include "codec/json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "codec/utf8.h"

namespace headrace::codec {

namespace {

/// Refuses what is too deep before it is built, and keeps the parser's own words on failure.
class BoundedSax : public nlohmann::detail::json_sax_dom_parser<Json> {
 public:
  explicit BoundedSax(Json& result) : nlohmann::detail::json_sax_dom_parser<Json>(result, false) {}

  bool start_object(std::size_t size) {
    return deeper() && nlohmann::detail::json_sax_dom_parser<Json>::start_object(size);
  }
  bool start_array(std::size_t size) {
    return deeper() && nlohmann::detail::json_sax_dom_parser<Json>::start_array(size);
  }
  bool end_object() {
    --depth_;
    return nlohmann::detail::json_sax_dom_parser<Json>::end_object();
  }
  bool end_array() {
    --depth_;
    return nlohmann::detail::json_sax_dom_parser<Json>::end_array();
  }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception& exception) {
    // Cuts the library's own prefix, "[json.exception.parse_error.101] ".
    const std::string_view text = exception.what();
    const std::size_t cut = text.find("] ");
    why = fmt::format("{} (byte {})", cut == std::string_view::npos ? text : text.substr(cut + 2), position);
    return false;
  }

  std::string why = "it is not one JSON value";

 private:
  bool deeper() {
    if (++depth_ <= kJsonDepthMax) return true;
    why = fmt::format("it is nested deeper than {}", kJsonDepthMax);
    return false;
  }
  int depth_ = 0;
};

const char* type_name(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a text";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return "a whole number";
    case Json::value_t::number_float: return "a number";
    default: return "binary data";
  }
}

Error wrong_type(std::string_view key, const char* expected, const Json& found) {
  return Error{.what = fmt::format("the field `{}` is not {}", key, expected), .why = fmt::format("it is {}", type_name(found))};
}

void append_escape(std::string& out, unsigned unit) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", unit); }

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const Utf8Step step = next_code_point(text, i);
      if (!step.valid) {
        append_escape(out, 0xdc00 + c);
      } else if (step.code_point >= 0x10000) {
        append_escape(out, 0xd800 + ((step.code_point - 0x10000) >> 10));
        append_escape(out, 0xdc00 + ((step.code_point - 0x10000) & 0x3ff));
      } else {
        append_escape(out, step.code_point);
      }
      i += step.length;
      continue;
    }
    ++i;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (c < 0x20) append_escape(out, c);
        else out += static_cast<char>(c);
    }
  }
  out += '"';
}

void append_value(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: out += "null"; return;
    case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; return;
    case Json::value_t::number_integer: fmt::format_to(std::back_inserter(out), "{}", value.get<std::int64_t>()); return;
    case Json::value_t::number_unsigned: fmt::format_to(std::back_inserter(out), "{}", value.get<std::uint64_t>()); return;
    case Json::value_t::number_float: out += python_float(value.get<double>()); return;
    case Json::value_t::string: append_string(out, value.get_ref<const std::string&>()); return;
    case Json::value_t::array: {
      out += '[';
      bool first = true;
      for (const Json& item : value) {
        if (!std::exchange(first, false)) out += ", ";
        append_value(out, item);
      }
      out += ']';
      return;
    }
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.items()) {
        if (!std::exchange(first, false)) out += ", ";
        append_string(out, key);
        out += ": ";
        append_value(out, item);
      }
      out += '}';
      return;
    }
    case Json::value_t::binary:
    case Json::value_t::discarded: HR_CHECK(!"a JSON text holds neither binary nor discarded values");
  }
}

/// The UTF-16 unit of the escape that begins at `at`; 0 if none does.
unsigned escaped_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text.substr(at, 2) != "\\u") return 0;
  unsigned unit = 0;
  const char* end = text.data() + at + 6;
  return std::from_chars(end - 4, end, unit, 16).ptr == end ? unit : 0;
}

/// U+FFFD in the place of each half of a surrogate pair. Python writes one for a byte that is not UTF-8, as `append_string` does, and
/// reads it; the parser refuses it.
std::string without_halves(std::string_view text) {
  std::string whole(text);
  for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const unsigned unit = escaped_unit(text, at);
    const unsigned next = escaped_unit(text, at + 6);
    if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
      at += 12;
    } else if (unit >= 0xd800 && unit < 0xe000) {
      whole.replace(at + 2, 4, "fffd");
      at += 6;
    } else {
      at += 2;  // an escaped backslash escapes nothing
    }
  }
  return whole;
}

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  const auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  HR_CHECK(code == std::errc());
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* from = buffer + e + (text[e + 1] == '+' ? 2 : 1);
  (void)std::from_chars(from, end, exponent);
  const bool negative = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  std::string out = negative ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return out + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  return out + digits.substr(0, static_cast<std::size_t>(exponent + 1)) + "." + digits.substr(static_cast<std::size_t>(exponent + 1));
}

Result<Json> parse_json(std::string_view text, std::string_view where) {
  Json value;
  BoundedSax sax(value);
  if (Json::sax_parse(text, &sax)) return value;
  if (const std::string whole = without_halves(text); whole != text) return parse_json(whole, where);
  return Error{.what = "this is not valid JSON", .where = std::string(where), .why = sax.why};
}

std::string dump_json(const Json& value) {
  std::string out;
  append_value(out, value);
  return out;
}

Result<const Json*> get_any(const Json& object, std::string_view key) {
  if (!object.is_object()) {
    return Error{.what = fmt::format("the field `{}` cannot be read", key), .why = fmt::format("its place is {}, not an object", type_name(object))};
  }
  const auto found = object.find(key);
  if (found == object.end()) return Error{.what = fmt::format("the field `{}` is not there", key)};
  return &*found;
}

Result<std::string> get_string(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_string()) return wrong_type(key, "a text", *value);
  return value->get<std::string>();
}

Result<std::int64_t> get_int(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_number_integer()) return wrong_type(key, "a whole number", *value);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return Error{.what = fmt::format("the field `{}` is too large a number", key)};
  }
  return value->get<std::int64_t>();
}

Result<std::uint64_t> get_uint(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_number_integer()) return wrong_type(key, "a whole number", *value);
  if (!value->is_number_unsigned() && value->get<std::int64_t>() < 0) {
    return Error{.what = fmt::format("the field `{}` is below zero", key)};
  }
  return value->get<std::uint64_t>();
}

Result<double> get_number(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_number()) return wrong_type(key, "a number", *value);
  return value->get<double>();
}

Result<bool> get_bool(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_boolean()) return wrong_type(key, "true or false", *value);
  return value->get<bool>();
}

Result<std::vector<std::string>> get_strings(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_array(object, key));
  std::vector<std::string> texts;
  texts.reserve(value->size());
  for (const Json& item : *value) {
    if (!item.is_string()) return wrong_type(key, "a list of texts", item);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<const Json*> get_object(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_object()) return wrong_type(key, "an object", *value);
  return value;
}

Result<const Json*> get_array(const Json& object, std::string_view key) {
  const Json* value = HR_TRY(get_any(object, key));
  if (!value->is_array()) return wrong_type(key, "a list", *value);
  return value;
}

namespace {

/// Is `object` one without a value for `key`?
bool without(const Json& object, std::string_view key) {
  if (!object.is_object()) return false;
  const auto found = object.find(key);
  return found == object.end() || found->is_null();
}

}  // namespace

Result<std::optional<std::string>> find_string(const Json& object, std::string_view key) {
  if (without(object, key)) return std::optional<std::string>();
  return std::optional<std::string>(HR_TRY(get_string(object, key)));
}

Result<std::optional<std::int64_t>> find_int(const Json& object, std::string_view key) {
  if (without(object, key)) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(HR_TRY(get_int(object, key)));
}

Result<std::optional<std::uint64_t>> find_uint(const Json& object, std::string_view key) {
  if (without(object, key)) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(HR_TRY(get_uint(object, key)));
}

Result<std::optional<double>> find_number(const Json& object, std::string_view key) {
  if (without(object, key)) return std::optional<double>();
  return std::optional<double>(HR_TRY(get_number(object, key)));
}

Result<std::optional<bool>> find_bool(const Json& object, std::string_view key) {
  if (without(object, key)) return std::optional<bool>();
  return std::optional<bool>(HR_TRY(get_bool(object, key)));
}

Result<const Json*> find_object(const Json& object, std::string_view key) {
  if (without(object, key)) return static_cast<const Json*>(nullptr);
  return get_object(object, key);
}

}  // namespace headrace::codec
