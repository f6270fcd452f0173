#pragma once

#include <string>
#include <string_view>

namespace headrace {

/// What the caller can do about a failure. A new kind needs a caller that acts on it.
enum class Kind {
  retry,    ///< may succeed if repeated: lost connection, throttling, EINTR-like trouble
  missing,  ///< the named thing does not exist
  denied,   ///< no permission
  misuse,   ///< the request itself is wrong; the user must change something
  failed,   ///< anything else
};

[[nodiscard]] std::string_view to_string(Kind kind);
/// The kind with that name; `failed` for an unknown one.
[[nodiscard]] Kind kind_from(std::string_view name);

/// An expected failure, as a value. Each layer adds where it happened; console renders it once.
struct [[nodiscard]] Error {
  Kind kind = Kind::failed;
  std::string what;   ///< what happened, one line
  std::string where;  ///< outermost place last, joined by ", "
  std::string why;    ///< the cause, one line; may be empty
  std::string next;   ///< what the reader can do; may be empty

  /// The same error, with one more place.
  [[nodiscard]] Error at(std::string_view place) &&;
  [[nodiscard]] Error at(std::string_view place) const&;
};

/// A failed system call: `what`, with the text of `code` (an errno value) as why. ENOENT is missing, EACCES and EPERM denied.
Error system_error(int code, std::string what);

/// The four parts on lines of their own, for logs and tests: `error: ...`, `  where: ...`, `  why: ...`, `  next: ...`.
[[nodiscard]] std::string to_text(const Error& error);

}  // namespace headrace
