#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "console/output.h"

namespace headrace::console {

/// A block on stderr, as Metaflow writes its errors:
///
///     ····Step failure:
///     ····Step start (task-id 1) failed.
///     <blank line>
///
/// In `message` a text between two `*` is highlighted on a terminal; the `*` themselves are never printed. `advice` lines
/// follow the message.
void error_block(Output& out, std::string_view headline, std::string_view message, std::string_view advice = {});

/// An Error in that form: `what` as the headline; where, why and next as lines of the message. Literals keep their backticks,
/// and a `*` stays what it is.
void error_block(Output& out, const Error& error);

/// One line of the command itself on stderr; `*` as above.
void say(Output& out, std::string_view line, bool bold = false);

}  // namespace headrace::console
