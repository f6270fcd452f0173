#include "console/ansi.h"

namespace headrace::console {
namespace {

bool is_parameter(char c) { return (c >= '0' && c <= '9') || c == ';' || c == '?'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Length of the sequence at the start of `text`, 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  if (text.size() < 3 || text[0] != '\x1b' || text[1] != '[') return 0;
  std::size_t i = 2;
  while (i < text.size() && is_parameter(text[i])) ++i;
  return i < text.size() && is_letter(text[i]) ? i + 1 : 0;
}

}  // namespace

void append_without_ansi(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t escape = text.find('\x1b');
    out.append(text.substr(0, escape));
    if (escape == std::string_view::npos) return;
    text.remove_prefix(escape);
    const std::size_t length = sequence_length(text);
    if (length == 0) out += text[0];
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace headrace::console
