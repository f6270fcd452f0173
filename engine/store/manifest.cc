#include "store/manifest.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>
#include "codec/json.h"
#include "codec/sha1.h"
#include "store/json_text.h"

namespace headrace::store {
namespace {

using codec::Json;

Error bad_manifest(std::string_view where, std::string why) {
  return Error{.kind = Kind::failed,
               .what = "the artifact list of a task cannot be read",
               .where = std::string{where},
               .why = std::move(why),
               .next = "the file was damaged or written by an unknown version: run the task again (`resume`)"};
}

void append_objects_and_info(std::string& out, const Manifest& manifest) {
  const char* separator = "";
  out += "\"objects\": {";
  for (const Artifact& artifact : manifest.artifacts) {
    out += separator;
    append_quoted(out, artifact.name);
    out += ": ";
    append_quoted(out, artifact.key.str());
    separator = ", ";
  }
  separator = "";
  out += "}, \"info\": {";
  for (const Artifact& artifact : manifest.artifacts) {
    out += separator;
    append_quoted(out, artifact.name);
    fmt::format_to(std::back_inserter(out), ": {{\"size\": {}, \"type\": ", artifact.size);
    append_quoted(out, artifact.type);
    if (!artifact.encoding.empty()) {
      out += ", \"encoding\": ";
      append_quoted(out, artifact.encoding);
    }
    if (!artifact.extra.empty()) {
      out += ", \"serializer_info\": ";
      out += artifact.extra;
    }
    out += '}';
    separator = ", ";
  }
  out += "}";
}

std::string text_or_empty(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace

const Artifact* Manifest::find(std::string_view name) const {
  const auto found = std::find_if(artifacts.begin(), artifacts.end(), [&](const Artifact& a) { return a.name == name; });
  return found == artifacts.end() ? nullptr : &*found;
}

std::unordered_map<std::string_view, const Artifact*> Manifest::by_name() const {
  std::unordered_map<std::string_view, const Artifact*> all;
  for (const Artifact& artifact : artifacts) all.emplace(artifact.name, &artifact);
  return all;
}

void Manifest::set(Artifact artifact) {
  const auto found =
      std::find_if(artifacts.begin(), artifacts.end(), [&](const Artifact& a) { return a.name == artifact.name; });
  if (found == artifacts.end()) {
    artifacts.push_back(std::move(artifact));
  } else {
    *found = std::move(artifact);
  }
}

void Manifest::set_all(std::vector<Artifact> more) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < artifacts.size(); ++i) places.emplace(artifacts[i].name, i);
  for (Artifact& artifact : more) {
    const auto [place, is_new] = places.try_emplace(artifact.name, artifacts.size());
    if (is_new) {
      artifacts.push_back(std::move(artifact));
    } else {
      artifacts[place->second] = std::move(artifact);
    }
  }
}

std::string to_json(const Manifest& manifest) {
  std::string out = "{\"datastore\": ";
  append_quoted(out, manifest.datastore);
  fmt::format_to(std::back_inserter(out), ", \"version\": \"1.0\", \"attempt\": {}, \"python_version\": ", manifest.attempt);
  append_quoted(out, manifest.python_version);
  out += ", ";
  append_objects_and_info(out, manifest);
  out += '}';
  return out;
}

std::string to_wire(const Manifest& manifest) {
  std::string out = "{";
  append_objects_and_info(out, manifest);
  out += '}';
  return out;
}

Result<Manifest> parse_manifest(std::string_view json, std::string_view where) {
  auto parsed = codec::parse_json(json, where);
  if (!parsed) return bad_manifest(where, parsed.error().why.empty() ? parsed.error().what : parsed.error().why);
  const Json root = *std::move(parsed);
  if (!root.is_object()) return bad_manifest(where, "it is not a JSON object");
  const std::string version = text_or_empty(root, "version");
  if (!version.empty() && !version.starts_with("1.") && version != "1") {
    return bad_manifest(where, fmt::format("it has version `{}`; known is 1.0", version));
  }
  Manifest manifest;
  manifest.datastore = text_or_empty(root, "datastore");
  manifest.python_version = text_or_empty(root, "python_version");
  if (const auto attempt = root.find("attempt"); attempt != root.end() && attempt->is_number_integer()) {
    manifest.attempt = attempt->get<int>();
  }
  const auto objects = root.find("objects");
  if (objects == root.end() || !objects->is_object()) return bad_manifest(where, "it has no `objects`");
  std::unordered_map<std::string_view, const Json*> infos;  // ordered_json looks up linearly
  if (const auto info = root.find("info"); info != root.end() && info->is_object()) {
    for (const auto& item : info->items()) infos.emplace(item.key(), &item.value());
  }
  for (const auto& item : objects->items()) {
    if (!item.value().is_string() || !codec::is_sha1_hex(item.value().get_ref<const std::string&>())) {
      return bad_manifest(where, fmt::format("the key of artifact `{}` is not 40 hex digits", item.key()));
    }
    Artifact artifact{.name = item.key(), .key = BlobKey{item.value().get<std::string>()}};
    if (const auto found = infos.find(item.key()); found != infos.end() && found->second->is_object()) {
      const Json& info = *found->second;
      if (const auto size = info.find("size"); size != info.end() && size->is_number_integer()) {
        artifact.size = size->get<std::int64_t>();
      }
      artifact.type = text_or_empty(info, "type");
      artifact.encoding = text_or_empty(info, "encoding");
      if (const auto extra = info.find("serializer_info"); extra != info.end()) artifact.extra = codec::dump_json(*extra);
    }
    manifest.artifacts.push_back(std::move(artifact));
  }
  return manifest;
}

}  // namespace headrace::store
