#include "console/error_block.h"

#include <optional>
#include <vector>

#include "codec/utf8.h"
#include "console/ansi.h"

namespace headrace::console {
namespace {

struct Style {
  bool bold = false;
  bool stars = true;         ///< `*` switches highlighting
  bool newline = true;
  bool blank_after = false;
};

std::string style_codes(bool highlighted, bool bold) {
  if (highlighted) return std::string(kRed) + std::string(kBold);
  return std::string(bold ? kBold : kNotBold);
}

/// The spans between `*`; every second one is highlighted.
std::vector<std::string_view> spans_of(std::string_view line, bool stars) {
  std::vector<std::string_view> spans;
  for (std::size_t star = 0; stars && (star = line.find('*')) != std::string_view::npos;) {
    spans.push_back(line.substr(0, star));
    line.remove_prefix(star + 1);
  }
  spans.push_back(line);
  return spans;
}

void echo(Output& out, std::string text, const Style& style) {
  if (style.newline) text += kEraseToEndOfLine;
  std::string bytes;
  std::string codes;
  const auto piece = [&](std::string_view span) {
    if (out.terminal()) {
      bytes.append(codes).append(span).append(kReset);
    } else {
      append_without_ansi(bytes, span);
    }
  };
  bool highlighted = false;
  for (const std::string_view span : spans_of(text, style.stars)) {
    codes = style_codes(highlighted, style.bold);
    piece(span);
    highlighted = !highlighted;
  }
  // The ends of lines carry the style of the last span.
  if (style.newline) {
    piece("");
    bytes += '\n';
  }
  if (style.blank_after) {
    piece(kEraseToEndOfLine);
    bytes += '\n';
  }
  out.write(bytes);
}

std::string indented(std::string_view text) {
  std::string out;
  bool more = !text.empty();
  while (more) {
    const std::size_t end = text.find_first_of("\n\r\v\f");
    if (!out.empty()) out += '\n';
    out.append("    ").append(text.substr(0, end));
    if (end == std::string_view::npos) break;
    const bool pair = text.substr(end, 2) == "\r\n";
    text.remove_prefix(end + (pair ? 2 : 1));
    more = !text.empty();
  }
  return codec::to_utf8(out);
}

void block(Output& out, std::string_view headline, const std::string& message, bool stars) {
  echo(out, indented(headline), {.bold = true, .stars = stars, .newline = false});
  echo(out, ":", {.bold = true});
  echo(out, indented(message), {.stars = stars, .blank_after = true});
}

}  // namespace

void error_block(Output& out, std::string_view headline, std::string_view message, std::string_view advice) {
  std::string text(message);
  if (!advice.empty()) text.append("\n").append(advice);
  block(out, headline, text, true);
}

void error_block(Output& out, const Error& error) {
  std::string text;
  const auto part = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (!text.empty()) text += '\n';
    text.append(name).append(value);
  };
  part("where: ", error.where);
  part("why:   ", error.why);
  part("next:  ", error.next);
  block(out, error.what, text, false);
}

void say(Output& out, std::string_view line, bool bold) { echo(out, codec::to_utf8(line), {.bold = bold}); }

}  // namespace headrace::console
