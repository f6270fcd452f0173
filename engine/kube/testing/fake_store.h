#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codec/json.h"

namespace headrace::kube::testing {

/// A refusal as the API server words it: the Status object is made from it.
struct Refused {
  int code = 0;
  std::string reason, message;
};

/// Which object: `pods` in namespace `ml`, `batch/jobs`, `nodes` (no namespace).
struct Key {
  std::string resource;  ///< with the API group before it, unless that is the core: `batch/jobs`
  std::string ns, name;
  auto operator<=>(const Key&) const = default;
};

/// The objects of a cluster with their versions and history. Used by FakeCluster.
///
/// Stricter than etcd behind a real server: names, labels, sizes and owners are checked as real servers check them, and
/// what a real one lets pass but nobody means (an owner that does not exist, an unknown selector) is refused as well.
class FakeStore {
 public:
  struct Change {
    std::uint64_t version;
    std::string type;  ///< ADDED, MODIFIED, DELETED
    Key key;
    codec::Json object;
  };

  /// Fills in uid, creationTimestamp and resourceVersion.
  std::optional<Refused> create(Key key, codec::Json object);
  /// Replaces; `object` without a resourceVersion is not compared.
  std::optional<Refused> update(const Key& key, codec::Json object);
  /// The object and all that it owns.
  void remove(const Key& key);

  [[nodiscard]] const codec::Json* find(const Key& key) const;
  [[nodiscard]] std::vector<Key> keys(const std::string& resource, const std::string& ns) const;  ///< empty `ns`: everywhere
  [[nodiscard]] bool has_namespace(const std::string& ns) const { return find({"namespaces", "", ns}) != nullptr; }

  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// Changes after `version`; nullopt when it is too old to know.
  [[nodiscard]] std::optional<std::vector<Change>> since(std::uint64_t version) const;
  /// What happened up to now is forgotten.
  void forget_history();

 private:
  std::uint64_t version_ = 1000;
  std::uint64_t oldest_ = 1000;  // Changes after it are known.
  std::uint64_t next_uid_ = 1;
  std::map<Key, codec::Json> objects_;
  std::vector<Change> history_;
};

/// True if `labels` fit the selector. nullopt: it cannot be read.
std::optional<bool> selects(const std::string& selector, const codec::Json& labels);
/// The same for field selectors: `metadata.name=x,involvedObject.name=y`.
std::optional<bool> selects_fields(const std::string& selector, const codec::Json& object);

}  // namespace headrace::kube::testing
