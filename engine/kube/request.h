#pragma once

#include <string>

#include "kube/client.h"

namespace headrace::kube {

/// What a call asks for, in the words of Kubernetes. Private to this module.
struct Target {
  std::string verb;         ///< get, list, watch, create, update, patch, delete, deletecollection
  std::string group;        ///< of the API; empty: the core
  std::string resource;     ///< `pods`, `pods/log`
  std::string namespace_;   ///< empty: of the whole cluster
  std::string name;

  /// `create pods in namespace `ml``, `get node `a``.
  [[nodiscard]] std::string described() const;
};
Target target_of(const Call& call);

/// `path?key=value&...`, escaped.
std::string target_text(const Call& call);

/// `body` as JSON, or as a string if it is none.
Answer to_answer(int status, const std::string& body);

}  // namespace headrace::kube
