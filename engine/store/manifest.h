#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace headrace::store {

/// One artifact of one attempt, by reference.
struct Artifact {
  std::string name;
  BlobKey key;
  std::int64_t size = -1;  ///< bytes of the pickle; -1 unknown
  std::string type;        ///< "<class 'int'>"
  std::string encoding;    ///< "pickle-v4"; empty means gzip+pickle-v2 of old writers
  std::string extra;       ///< JSON text of `serializer_info`; empty if the writer had none

  bool operator==(const Artifact&) const = default;
};

/// `N.data.json`: all artifacts of an attempt, in the order saved.
struct Manifest {
  std::string datastore = "local";
  int attempt = 0;
  std::string python_version;
  std::vector<Artifact> artifacts;

  [[nodiscard]] const Artifact* find(std::string_view name) const;
  /// All of them, to find many. Valid as long as the manifest and unchanged.
  [[nodiscard]] std::unordered_map<std::string_view, const Artifact*> by_name() const;
  /// Adds the artifact, or replaces the one of that name where it stands.
  void set(Artifact artifact);
  /// The same of each, in one go: a task may have ten thousands.
  void set_all(std::vector<Artifact> more);
};

/// The bytes of `N.data.json`, as Python's json.dumps writes them.
[[nodiscard]] std::string to_json(const Manifest& manifest);
/// `{"objects": {...}, "info": {...}}`: what the wire calls a manifest.
[[nodiscard]] std::string to_wire(const Manifest& manifest);
/// Reads any version 1 manifest, of Metaflow too. `where` names the file in errors.
Result<Manifest> parse_manifest(std::string_view json, std::string_view where);

}  // namespace headrace::store
