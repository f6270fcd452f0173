#include "store/tags.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "store/reader.h"

namespace headrace::store {
namespace {

using codec::Json;

std::vector<std::string> texts(const Json& object, const char* name) {
  std::vector<std::string> result;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return result;
  for (const Json& tag : *found) {
    if (tag.is_string()) result.push_back(tag.get<std::string>());
  }
  return result;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// As Python shows a list of texts, for a message that users know.
std::string shown(const std::set<std::string>& tags) { return fmt::format("['{}']", fmt::join(tags, "', '")); }

}  // namespace

ChangeTags::ChangeTags(std::string run, const std::vector<std::string>& add, const std::vector<std::string>& remove, WallTime now)
    : run_(std::move(run)), add_(add), remove_(remove.begin(), remove.end()), now_(now) {}

Result<std::optional<std::string>> ChangeTags::apply(const std::string& before) {
  auto parsed = codec::parse_json(before, run_);
  Json object = parsed ? *std::move(parsed) : Json{};
  if (!object.is_object()) {
    return Error{.kind = Kind::failed, .what = fmt::format("the record of run `{}` is damaged", run_), .why = "it is no JSON object"};
  }
  const std::vector<std::string> old_tags = texts(object, "tags");
  const std::vector<std::string> system_list = texts(object, "system_tags");
  const std::set<std::string> system_tags{system_list.begin(), system_list.end()};
  std::set<std::string> refused;
  std::set_intersection(remove_.begin(), remove_.end(), system_tags.begin(), system_tags.end(),
                        std::inserter(refused, refused.end()));
  if (!refused.empty()) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("Cannot remove a tag that is an existing system tag ({})", shown(refused))};
  }
  std::vector<std::string> tags;
  std::set<std::string> seen;
  for (const std::string& tag : old_tags) {
    if (!remove_.contains(tag) && seen.insert(tag).second) tags.push_back(tag);
  }
  for (const std::string& tag : add_) {
    if (!system_tags.contains(tag) && seen.insert(tag).second) tags.push_back(tag);
  }
  if (seen == std::set<std::string>{old_tags.begin(), old_tags.end()}) return std::optional<std::string>{};
  HR_TRY(check_tags(tags, old_tags.size()));
  object["tags"] = tags;
  object["ts_epoch"] = epoch_ms(now_);
  return std::optional<std::string>{codec::dump_json(object)};
}

Result<void> check_tags(const std::vector<std::string>& tags, std::size_t before) {
  const std::set<std::string> distinct{tags.begin(), tags.end()};
  if (distinct.size() > kUserTagsMax && before < distinct.size()) {
    return Error{.kind = Kind::misuse,
                 .what = fmt::format("Cannot increase size of tag set beyond {}", kUserTagsMax),
                 .where = {},
                 .why = fmt::format("the run would have {} user tags", distinct.size()),
                 .next = "remove some tags first"};
  }
  for (const std::string& tag : distinct) {
    if (tag.empty()) return Error{.kind = Kind::misuse, .what = "Tags must not be empty string"};
    if (const std::size_t length = characters(tag); length > kTagCharactersMax) {
      return Error{.kind = Kind::misuse, .what = fmt::format("Tag is too long {} > {}", length, kTagCharactersMax)};
    }
  }
  return {};
}

Result<Json> change_tags(Backend& meta, const FlowName& flow, const RunId& run, const std::vector<std::string>& add,
                         const std::vector<std::string>& remove, WallTime now) {
  const std::string name = flow.str() + "/" + run.str();
  if (!is_plain_name(flow.str()) || !is_plain_name(run.str())) {
    return Error{.kind = Kind::missing, .what = fmt::format("Run not found ({}, {})", flow.str(), run.str())};
  }
  ChangeTags change{name, add, remove, now};
  auto bytes = meta.update(name + "/_meta/_self.json", change);
  if (!bytes) {
    Error error = std::move(bytes).error();
    if (error.kind == Kind::missing) error.what = fmt::format("Run not found ({}, {})", flow.str(), run.str());
    return std::move(error).at(name);
  }
  return codec::parse_json(*bytes, name);
}

}  // namespace headrace::store
