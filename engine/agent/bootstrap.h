#pragma once

#include <string_view>

namespace headrace::agent {

/// What a pod's Python (3.6 or newer, standard library only) runs first: text for `python3 -c`. It joins the parts of the agent, checks
/// their hash, and becomes the agent: docs/formats/wire.md, section 7.1.
[[nodiscard]] std::string_view bootstrap_text();

}  // namespace headrace::agent
