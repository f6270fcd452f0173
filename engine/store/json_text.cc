#include "store/json_text.h"

#include <algorithm>

#include "codec/json.h"

namespace headrace::store {

void append_quoted(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (!plain) {
    out += codec::dump_json(codec::Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += '"';
  out += name;
  out += "\": ";
  append_quoted(out, text);
  out += ", ";
}

}  // namespace headrace::store
