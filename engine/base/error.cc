#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace headrace {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::retry: return "retry";
    case Kind::missing: return "missing";
    case Kind::denied: return "denied";
    case Kind::misuse: return "misuse";
    case Kind::failed: return "failed";
  }
  return "failed";
}

Kind kind_from(std::string_view name) {
  for (Kind kind : {Kind::retry, Kind::missing, Kind::denied, Kind::misuse}) {
    if (name == to_string(kind)) return kind;
  }
  return Kind::failed;
}

Error Error::at(std::string_view place) && {
  if (!where.empty()) where += ", ";
  where += place;
  return std::move(*this);
}

Error Error::at(std::string_view place) const& {
  Error copy = *this;
  return std::move(copy).at(place);
}

Error system_error(int code, std::string what) {
  Kind kind = Kind::failed;
  if (code == ENOENT) kind = Kind::missing;
  if (code == EACCES || code == EPERM) kind = Kind::denied;
  Error error{.kind = kind, .what = std::move(what), .why = std::generic_category().message(code)};
  if (code == ENOSPC) error.next = "free some space on that disk, then `resume` the run";
  return error;
}

std::string to_text(const Error& error) {
  std::string text = "error: " + error.what;
  if (!error.where.empty()) text += "\n  where: " + error.where;
  if (!error.why.empty()) text += "\n  why:   " + error.why;
  if (!error.next.empty()) text += "\n  next:  " + error.next;
  return text;
}

}  // namespace headrace
