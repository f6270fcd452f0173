#include "kube/testing/fake_store.h"

#include <algorithm>

#include <fmt/format.h>

namespace headrace::kube::testing {

namespace {

using codec::Json;

constexpr std::size_t kObjectBytesMax = 1536 * 1024;
constexpr std::size_t kConfigMapBytesMax = 1024 * 1024;
constexpr std::size_t kAnnotationBytesMax = 256 * 1024;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_dns_label(const std::string& name) {
  if (name.empty() || name.size() > 63) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return name.front() != '-' && name.back() != '-';
}

bool is_label_value(const std::string& value) {
  if (value.empty()) return true;
  if (value.size() > 63 || !is_alphanumeric(value.front()) || !is_alphanumeric(value.back())) return false;
  return std::all_of(value.begin(), value.end(), [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(const std::string& key) {
  const std::size_t slash = key.find('/');
  const std::string name = slash == std::string::npos ? key : key.substr(slash + 1);
  return !name.empty() && is_label_value(name) && (slash == std::string::npos || (slash > 0 && slash <= 253));
}

const Json& at_or_null(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

/// `value`, or nothing where it is no mapping.
const Json& mapping(const Json& value) {
  static const Json none = Json::object();
  return value.is_object() ? value : none;
}

Refused invalid(const Key& key, const std::string& why) {
  return {422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", key.resource, key.name, why)};
}

std::optional<Refused> check_pod(const Key& key, const Json& pod) {
  const Json& containers = at_or_null(at_or_null(pod, "spec"), "containers");
  if (!containers.is_array() || containers.empty()) return invalid(key, "spec.containers: Required value");
  for (const Json& container : containers) {
    for (const char* field : {"name", "image"}) {
      if (!at_or_null(container, field).is_string() || at_or_null(container, field).get<std::string>().empty()) {
        return invalid(key, fmt::format("spec.containers[0].{}: Required value", field));
      }
    }
    if (!is_dns_label(container["name"])) return invalid(key, "spec.containers[0].name: not a DNS label");
    const Json& env = at_or_null(container, "env");
    for (const Json& variable : env.is_array() ? env : Json::array()) {
      if (!at_or_null(variable, "name").is_string()) return invalid(key, "spec.containers[0].env[0].name: Required value");
      if (variable.contains("value") && !variable["value"].is_string()) {
        return Refused{400, "BadRequest", "json: cannot unmarshal into Go struct field EnvVar.value of type string"};
      }
    }
    const Json& resources = at_or_null(container, "resources");
    for (const char* kind : {"requests", "limits"}) {
      const Json& amounts = at_or_null(resources, kind);
      for (const auto& [name, amount] : mapping(amounts).items()) {
        if (!amount.is_string() && !amount.is_number()) return Refused{400, "BadRequest", "quantities must match the regular expression"};
      }
    }
  }
  return std::nullopt;
}

std::optional<Refused> check_config_map(const Key& key, const Json& object) {
  std::size_t size = 0;
  for (const char* part : {"data", "binaryData"}) {
    const Json& values = at_or_null(object, part);
    if (values.is_null()) continue;
    for (const auto& [name, value] : values.items()) {
      if (!value.is_string()) return Refused{400, "BadRequest", "json: cannot unmarshal"};
      size += value.get_ref<const std::string&>().size() * (part[0] == 'b' ? 3 : 4) / 4;
    }
  }
  if (size > kConfigMapBytesMax) return invalid(key, "[]: Too long: may not be more than 1048576 bytes");
  return std::nullopt;
}

std::optional<Refused> check(const Key& key, const Json& object) {
  if (object.dump().size() > kObjectBytesMax) return Refused{413, "RequestEntityTooLarge", "etcdserver: request is too large"};
  if (!at_or_null(object, "apiVersion").is_string() || !at_or_null(object, "kind").is_string()) {
    return Refused{400, "BadRequest", "Object 'Kind' is missing"};
  }
  const Json& metadata = at_or_null(object, "metadata");
  if (!is_dns_label(key.name)) return invalid(key, fmt::format("metadata.name: Invalid value: \"{}\": a lowercase RFC 1123 label", key.name));
  const Json& labels = at_or_null(metadata, "labels");
  for (const auto& [name, value] : mapping(labels).items()) {
    if (!is_label_key(name)) return invalid(key, fmt::format("metadata.labels: Invalid value: \"{}\"", name));
    if (!value.is_string()) return Refused{400, "BadRequest", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"};
    if (!is_label_value(value)) return invalid(key, fmt::format("metadata.labels: Invalid value: \"{}\"", value.get<std::string>()));
  }
  const Json& annotations = at_or_null(metadata, "annotations");
  std::size_t size = 0;
  for (const auto& [name, value] : mapping(annotations).items()) {
    if (!is_label_key(name) || !value.is_string()) return invalid(key, fmt::format("metadata.annotations: Invalid value: \"{}\"", name));
    size += name.size() + value.get_ref<const std::string&>().size();
  }
  if (size > kAnnotationBytesMax) return invalid(key, "metadata.annotations: Too long: may not be more than 262144 bytes");
  if (key.resource == "pods") return check_pod(key, object);
  if (key.resource == "configmaps") return check_config_map(key, object);
  return std::nullopt;
}

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == mark && depth == 0) {
      parts.push_back(std::exchange(part, ""));
    } else {
      part += c;
    }
  }
  parts.push_back(part);
  return parts;
}

std::string trim(std::string text) {
  while (!text.empty() && text.front() == ' ') text.erase(0, 1);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::optional<Refused> FakeStore::create(Key key, Json object) {
  Json& metadata = object["metadata"];
  const bool in_namespace = !key.ns.empty();
  if (in_namespace && !has_namespace(key.ns)) return Refused{404, "NotFound", fmt::format("namespaces \"{}\" not found", key.ns)};
  if (in_namespace && metadata.contains("namespace") && metadata["namespace"] != key.ns) {
    return Refused{400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"};
  }
  if (auto refused = check(key, object)) return refused;
  if (objects_.contains(key)) return Refused{409, "AlreadyExists", fmt::format("{} \"{}\" already exists", key.resource, key.name)};
  const Json owners = metadata.value("ownerReferences", Json::array());
  for (const Json& owner : owners) {
    const bool known = std::any_of(objects_.begin(), objects_.end(), [&](const auto& entry) {
      return entry.first.ns == key.ns && entry.second["metadata"]["uid"] == owner.value("uid", "") &&
             entry.first.name == owner.value("name", "");
    });
    if (!known) return invalid(key, "metadata.ownerReferences: no such owner, it would be collected at once");
  }
  if (in_namespace) metadata["namespace"] = key.ns;
  metadata["name"] = key.name;
  metadata["uid"] = fmt::format("uid-{}", next_uid_++);
  if (!metadata.contains("creationTimestamp")) metadata["creationTimestamp"] = "2026-01-01T00:00:00Z";
  metadata["resourceVersion"] = std::to_string(++version_);
  history_.push_back({version_, "ADDED", key, object});
  objects_.emplace(std::move(key), std::move(object));
  return std::nullopt;
}

std::optional<Refused> FakeStore::update(const Key& key, Json object) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Refused{404, "NotFound", fmt::format("{} \"{}\" not found", key.resource, key.name)};
  const Json& before = found->second;
  if (auto refused = check(key, object)) return refused;
  const std::string compared = object["metadata"].value("resourceVersion", "");
  if (!compared.empty() && before["metadata"]["resourceVersion"] != compared) {
    return Refused{409, "Conflict", fmt::format("Operation cannot be fulfilled on {} \"{}\": the object has been modified", key.resource, key.name)};
  }
  if (before.value("immutable", false) && (before.value("data", Json()) != object.value("data", Json()) ||
                                           before.value("binaryData", Json()) != object.value("binaryData", Json()))) {
    return invalid(key, "data: Forbidden: field is immutable when `immutable` is set");
  }
  object["metadata"]["uid"] = before["metadata"]["uid"];
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  history_.push_back({version_, "MODIFIED", key, object});
  found->second = std::move(object);
  return std::nullopt;
}

void FakeStore::remove(const Key& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return;
  Json object = std::move(found->second);
  objects_.erase(found);
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  const std::string uid = object["metadata"]["uid"];
  history_.push_back({version_, "DELETED", key, std::move(object)});
  std::vector<Key> owned;
  for (const auto& [other, held] : objects_) {
    const Json owners = held["metadata"].value("ownerReferences", Json::array());
    for (const Json& owner : owners) {
      if (owner.value("uid", "") == uid) owned.push_back(other);
    }
  }
  for (const Key& one : owned) remove(one);
}

const Json* FakeStore::find(const Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<Key> FakeStore::keys(const std::string& resource, const std::string& ns) const {
  std::vector<Key> keys;
  for (const auto& [key, object] : objects_) {
    if (key.resource == resource && (ns.empty() || key.ns == ns)) keys.push_back(key);
  }
  return keys;
}

std::optional<std::vector<FakeStore::Change>> FakeStore::since(std::uint64_t version) const {
  if (version < oldest_) return std::nullopt;
  const auto first = std::find_if(history_.begin(), history_.end(), [&](const Change& change) { return change.version > version; });
  return std::vector<Change>(first, history_.end());
}

void FakeStore::forget_history() {
  history_.clear();
  oldest_ = ++version_;
}

std::optional<bool> selects(const std::string& selector, const Json& labels) {
  if (selector.empty()) return true;
  const auto value_of = [&](const std::string& key) -> std::optional<std::string> {
    const Json& value = at_or_null(labels, key.c_str());
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
  };
  for (std::string part : split(selector, ',')) {
    part = trim(part);
    if (part.empty()) return std::nullopt;
    const std::size_t in = part.find(" in ("), notin = part.find(" notin ("), unlike = part.find("!="), like = part.find('=');
    bool fits = false;
    if (in != std::string::npos || notin != std::string::npos) {
      const std::size_t at = std::min(in, notin);
      const std::size_t open = part.find('(', at);
      if (part.back() != ')') return std::nullopt;
      const auto value = value_of(trim(part.substr(0, at)));
      for (const std::string& one : split(part.substr(open + 1, part.size() - open - 2), ',')) fits |= value == trim(one);
      if (notin != std::string::npos) fits = !fits;
    } else if (unlike != std::string::npos) {
      fits = value_of(trim(part.substr(0, unlike))) != trim(part.substr(unlike + 2));
    } else if (like != std::string::npos) {
      std::string value = trim(part.substr(like + 1));
      if (!value.empty() && value.front() == '=') value = trim(value.substr(1));
      if (!is_label_value(value)) return std::nullopt;
      fits = value_of(trim(part.substr(0, like))) == value;
    } else if (part.front() == '!') {
      fits = !value_of(trim(part.substr(1)));
    } else {
      if (!is_label_key(part)) return std::nullopt;
      fits = value_of(part).has_value();
    }
    if (!fits) return false;
  }
  return true;
}

std::optional<bool> selects_fields(const std::string& selector, const Json& object) {
  if (selector.empty()) return true;
  for (const std::string& part : split(selector, ',')) {
    const std::size_t unlike = part.find("!="), like = part.find('=');
    if (like == std::string::npos) return std::nullopt;
    const Json* value = &object;
    for (const std::string& step : split(part.substr(0, std::min(unlike, like)), '.')) value = &at_or_null(*value, step.c_str());
    const std::string held = value->is_string() ? value->get<std::string>() : "";
    const bool same = held == part.substr(like + 1);
    if (same == (unlike != std::string::npos)) return false;
  }
  return true;
}

}  // namespace headrace::kube::testing
