#pragma once

#include <string>
#include <string_view>

namespace headrace::store {

/// Appends `text` as a JSON string, as Python's json.dumps writes it. Records are built as text: a task has some thirty,
/// nearly all of their members are plain ASCII, and a tree of JSON values for each would cost more than writing the files.
void append_quoted(std::string& out, std::string_view text);

/// Appends `"name": "text", `. `name` is one of ours: plain ASCII.
void append_member(std::string& out, std::string_view name, std::string_view text);

}  // namespace headrace::store
