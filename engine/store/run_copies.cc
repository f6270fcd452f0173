#include "store/run_copies.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/together.h"
#include "codec/gzip.h"
#include "codec/tar.h"
#include "store/reader.h"
#include "store/run_copy.h"
#include "store/tags.h"

namespace headrace::store {
namespace {

using codec::Json;

constexpr Duration kLookAgain = 2s;
/// What is remembered of looking; more is forgotten and looked for again.
constexpr std::size_t kLookedMax = 1 << 16;
/// Requests at a time, and archives in memory.
constexpr std::size_t kAtOnce = 16;
/// Of one archive, unpacked. They are made of 16 MB, or of one record.
constexpr std::uint64_t kArchiveBytesMax = std::uint64_t{1} << 30;
/// Losing that often to others who change the tags of the same run means that something else is wrong.
constexpr int kTagTriesMax = 100;

constexpr std::string_view kSelf = "/_meta/_self.json";

/// One run, in both places.
struct Place {
  Backend& data;
  Backend& meta;
  FlowName flow;
  std::string key;     ///< FLOW/RUN
  std::string folder;  ///< FLOW/RUN/_headrace
};

Place place_of(Backend& data, Backend& meta, const FlowName& flow, const RunId& run) {
  return {.data = data, .meta = meta, .flow = flow, .key = flow.str() + "/" + run.str(), .folder = CopyNames::folder(flow, run)};
}

Error of_datastore(Error error) {
  if (error.kind == Kind::missing) error.kind = Kind::failed;
  return std::move(error).at("looking for a run in the datastore");
}

/// A number that a metadata folder keeps; nullopt if it has none.
Result<std::optional<std::uint64_t>> kept_number(const Place& place, const char* name) {
  auto bytes = place.meta.get(place.folder + "/" + name);
  if (!bytes && bytes.error().kind == Kind::missing) return std::optional<std::uint64_t>{};
  if (!bytes) return std::move(bytes).error();
  std::uint64_t number = 0;  // a file that was cut off counts as none: all is laid down again
  std::from_chars(bytes->data(), bytes->data() + bytes->size(), number);
  return std::optional<std::uint64_t>{number};
}

Result<void> keep_number(const Place& place, const char* name, std::uint64_t number) {
  return place.meta.put(place.folder + "/" + name, std::to_string(number));
}

/// What a copy consists of.
struct Found {
  std::uint64_t records = 0;              ///< how many archives: they are numbered without a gap
  std::optional<std::uint64_t> run_record;  ///< the newest
};

Result<Found> find_copy(const Place& place) {
  auto entries = place.data.list(place.folder);
  if (!entries) return of_datastore(std::move(entries).error());
  Found found;
  for (const Backend::Entry& entry : *entries) {
    if (const auto number = CopyNames::records_number(entry.name)) found.records = std::max(found.records, *number + 1);
    if (const auto number = CopyNames::run_record_number(entry.name)) found.run_record = std::max(found.run_record.value_or(0), *number);
  }
  return found;
}

/// Gathers the records of an archive; they must be of the run.
class Records : public codec::TarSink {
 public:
  explicit Records(const Place& place) : run_(place.key + "/"), flow_(place.flow.str() + std::string(kSelf)) {}

  Result<void> begin(const codec::TarMember& member) override {
    const bool hidden = member.name.find("/.") != std::string::npos;
    if (hidden || (member.name != flow_ && !member.name.starts_with(run_))) {
      return Error{.kind = Kind::failed, .what = fmt::format("a copy of metadata has `{}` in it, which is not of its run", member.name)};
    }
    objects.push_back({.key = member.name, .bytes = {}});
    return {};
  }
  Result<void> content(std::string_view bytes) override {
    objects.back().bytes += bytes;
    return {};
  }
  Result<void> end() override { return {}; }

  std::vector<Object> objects;

 private:
  const std::string run_;
  const std::string flow_;
};

Result<std::vector<Object>> unpack(const Place& place, std::string_view bytes) {
  const std::string archive = HR_TRY(codec::gunzip(bytes, kArchiveBytesMax));
  Records records(place);
  codec::TarReader tar(records);
  HR_TRY(tar.feed(archive));
  HR_TRY(tar.finish());
  return std::move(records.objects);
}

Result<std::vector<Object>> read_archive_at(const Place& place, std::uint64_t number) {
  const std::string key = place.folder + "/" + CopyNames::records(number);
  auto bytes = place.data.get(key);
  if (!bytes) return of_datastore(std::move(bytes).error());
  auto objects = unpack(place, *bytes);
  if (!objects) return std::move(objects).error().at(place.data.location(key));
  return objects;
}

/// FLOW/RUN/STEP/TASK of a record of a task, else empty.
std::string task_of(const std::string& key) {
  const auto meta = key.rfind("/_meta/");
  if (meta == std::string::npos || std::count(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(meta), '/') != 3) return {};
  return key.substr(0, meta);
}

/// What is there stays. Records of one task follow one another, so a new task appears whole.
Result<void> lay_down(Backend& meta, std::vector<Object> objects) {
  for (std::size_t i = 0; i < objects.size();) {
    const std::string task = task_of(objects[i].key);
    std::vector<Object> of_task;
    std::size_t end = i;
    for (; end < objects.size() && !task.empty() && task_of(objects[end].key) == task; ++end) {
      of_task.push_back({.key = objects[end].key.substr(task.size() + 1), .bytes = std::move(objects[end].bytes)});
    }
    if (task.empty()) {
      HR_TRY(meta.put_new(objects[i].key, objects[i].bytes));
      end = i + 1;
    } else {
      HR_TRY(meta.put_missing(task, of_task));
    }
    i = end;
  }
  return {};
}

class Replace final : public Backend::Change {
 public:
  explicit Replace(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::optional<std::string>> apply(const std::string& before) override {
    return before == bytes_ ? std::optional<std::string>{} : std::optional<std::string>{bytes_};
  }

 private:
  std::string bytes_;
};

/// The newest record of the run that was written by a change of tags becomes the local one, if it was not seen before.
Result<void> take_run_record(const Place& place, const Found& found) {
  if (!found.run_record) return {};
  const auto seen = HR_TRY(kept_number(place, CopyNames::kRunSeen));
  if (seen && *seen > *found.run_record) return {};
  const std::string key = place.folder + "/" + CopyNames::run_record(*found.run_record);
  auto bytes = place.data.get(key);
  if (!bytes) return of_datastore(std::move(bytes).error());
  const Json json = HR_TRY(codec::parse_json(*bytes, place.data.location(key)));
  if (!json.is_object()) {
    return Error{.kind = Kind::failed, .what = "the record of a run is no JSON object", .where = place.data.location(key)};
  }
  if (!HR_TRY(place.meta.put_new(place.key + std::string(kSelf), *bytes))) {
    Replace replace(std::move(*bytes));
    HR_TRY(place.meta.update(place.key + std::string(kSelf), replace));
  }
  return keep_number(place, CopyNames::kRunSeen, *found.run_record + 1);
}

/// Archives from `from` on, and the newest record of the run, which comes last: without it the run is not there.
Result<void> lay_down_copy(const Place& place, const Found& found, std::uint64_t from) {
  const std::string self = place.key + std::string(kSelf);
  std::vector<Object> run_record;
  for (std::uint64_t first = from; first < found.records; first += kAtOnce) {
    const std::size_t count = std::min<std::uint64_t>(kAtOnce, found.records - first);
    std::vector<std::vector<Object>> archives(count);
    const auto read = [&](std::size_t i) -> Result<void> {
      archives[i] = HR_TRY(read_archive_at(place, first + i));
      return {};
    };
    HR_TRY(together(count, kAtOnce, read));
    for (std::vector<Object>& objects : archives) {
      const auto own = std::find_if(objects.begin(), objects.end(), [&](const Object& object) { return object.key == self; });
      if (own != objects.end()) {
        run_record.push_back(std::move(*own));
        objects.erase(own);
      }
      HR_TRY(lay_down(place.meta, std::move(objects)));
    }
  }
  HR_TRY(take_run_record(place, found));
  HR_TRY(lay_down(place.meta, std::move(run_record)));
  return keep_number(place, CopyNames::kCopied, found.records);
}

Result<bool> is_there(const Place& place) { return HR_TRY(place.meta.size(place.key + std::string(kSelf))).has_value(); }

Result<void> bring_run_now(const Place& place) {
  const auto copied = HR_TRY(kept_number(place, CopyNames::kCopied));
  if (!copied && HR_TRY(is_there(place))) return {};
  const Found found = HR_TRY(find_copy(place));
  if (found.records == 0) return {};
  if (!copied) HR_TRY(keep_number(place, CopyNames::kCopied, 0));
  const std::uint64_t from = HR_TRY(is_there(place)) ? copied.value_or(0) : 0;
  if (from < found.records) return lay_down_copy(place, found, from);
  return take_run_record(place, found);
}

/// The records of flow and run alone.
Result<void> bring_head(const Place& place) {
  const Found found = HR_TRY(find_copy(place));
  if (found.records == 0) return {};
  HR_TRY(keep_number(place, CopyNames::kCopied, 0));
  std::vector<Object> objects = HR_TRY(read_archive_at(place, 0));
  std::erase_if(objects, [&](const Object& object) {
    return object.key != place.key + std::string(kSelf) && object.key != place.flow.str() + std::string(kSelf);
  });
  HR_TRY(take_run_record(place, found));
  return lay_down(place.meta, std::move(objects));
}

/// A change of tags that is published before it is made here, under the lock of the local record.
class PublishTags final : public Backend::Change {
 public:
  PublishTags(Place place, ChangeTags tags, std::string key) : place_(std::move(place)), tags_(std::move(tags)), key_(std::move(key)) {}

  Result<std::optional<std::string>> apply(const std::string& before) override {
    std::optional<std::string> after = HR_TRY(tags_.apply(before));
    if (!after) return after;
    auto put = place_.data.put_new(key_, *after);
    if (!put) return of_datastore(std::move(put).error());
    lost = !*put;
    published = *put;
    return lost ? std::optional<std::string>{} : after;
  }

  bool lost = false;
  bool published = false;

 private:
  Place place_;
  ChangeTags tags_;
  std::string key_;
};

}  // namespace

Result<void> RunCopies::look_for(const Backend& data, const Backend& meta, const std::string& what, WallTime now,
                                 const std::function<Result<void>()>& look) {
  const std::string place = data.location("") + "\n" + meta.location("") + "\n" + what;
  if (looked_.size() >= kLookedMax) looked_.clear();
  const auto [last, first] = looked_.try_emplace(place, now);
  if (!first && now >= last->second && now - last->second < kLookAgain) return {};
  last->second = now;
  Result<void> looked = look();
  if (!looked) looked_.erase(place);
  return looked;
}

Result<void> RunCopies::bring_run(Backend& data, Backend& meta, const FlowName& flow, const RunId& run, WallTime now) {
  if (!is_plain_name(flow.str()) || !is_plain_name(run.str())) return {};
  const std::lock_guard lock{mutex_};
  const Place place = place_of(data, meta, flow, run);
  return look_for(data, meta, place.key, now, [&] { return bring_run_now(place); });
}

Result<void> RunCopies::bring_runs(Backend& data, Backend& meta, const FlowName& flow, WallTime now) {
  if (!is_plain_name(flow.str())) return {};
  const std::lock_guard lock{mutex_};
  return bring_runs_now(data, meta, flow, now);
}

Result<void> RunCopies::bring_runs_now(Backend& data, Backend& meta, const FlowName& flow, WallTime now) {
  return look_for(data, meta, flow.str() + "/", now, [&] { return bring_heads(data, meta, flow); });
}

Result<void> RunCopies::bring_heads(Backend& data, Backend& meta, const FlowName& flow) {
  auto entries = data.list(flow.str());
  if (!entries) return of_datastore(std::move(entries).error());
  std::set<std::string> known;
  for (Backend::Entry& entry : HR_TRY(meta.list(flow.str()))) known.insert(std::move(entry.name));
  std::vector<Place> absent;
  for (const Backend::Entry& entry : *entries) {
    if (!entry.directory || entry.name == "data" || entry.name.starts_with("_")) continue;
    Place place = place_of(data, meta, flow, RunId{entry.name});
    if (known.contains(entry.name) && HR_TRY(is_there(place))) continue;
    absent.push_back(std::move(place));
  }
  return together(absent.size(), kAtOnce, [&](std::size_t i) { return bring_head(absent[i]); });
}

Result<void> RunCopies::bring_flows(Backend& data, Backend& meta, WallTime now) {
  const std::lock_guard lock{mutex_};
  return look_for(data, meta, "", now, [&] { return bring_flows_now(data, meta, now); });
}

Result<void> RunCopies::bring_flows_now(Backend& data, Backend& meta, WallTime now) {
  auto entries = data.list("");
  if (!entries) return of_datastore(std::move(entries).error());
  for (const Backend::Entry& entry : *entries) {
    // Beside flows there are `data` (included files) and `mf.cards`.
    if (!entry.directory || entry.name == "data" || entry.name.find('.') != std::string::npos) continue;
    if (HR_TRY(meta.size(entry.name + std::string(kSelf)))) continue;
    HR_TRY(bring_runs_now(data, meta, FlowName{entry.name}, now));
  }
  return {};
}

Result<Json> RunCopies::change_tags(Backend& data, Backend& meta, const FlowName& flow, const RunId& run,
                                    const std::vector<std::string>& add, const std::vector<std::string>& remove, WallTime now) {
  if (!is_plain_name(flow.str()) || !is_plain_name(run.str())) return store::change_tags(meta, flow, run, add, remove, now);
  const std::lock_guard lock{mutex_};
  const Place place = place_of(data, meta, flow, run);
  HR_TRY(bring_run_now(place));
  for (int lost = 0; lost < kTagTriesMax; ++lost) {
    const Found found = HR_TRY(find_copy(place));
    if (found.records == 0 || !HR_TRY(is_there(place))) return store::change_tags(meta, flow, run, add, remove, now);
    HR_TRY(take_run_record(place, found));
    const std::uint64_t number = found.run_record ? *found.run_record + 1 : 0;
    PublishTags change(place, ChangeTags(place.key, add, remove, now), place.folder + "/" + CopyNames::run_record(number));
    auto bytes = meta.update(place.key + std::string(kSelf), change);
    if (!bytes) return std::move(bytes).error().at(place.key);
    if (change.lost) continue;
    if (change.published) HR_TRY(keep_number(place, CopyNames::kRunSeen, number + 1));
    return codec::parse_json(*bytes, place.key);
  }
  return Error{.kind = Kind::retry,
               .what = fmt::format("cannot change the tags of `{}`", place.key),
               .where = data.location(place.folder),
               .why = fmt::format("others changed them {} times meanwhile", kTagTriesMax),
               .next = "try again"};
}

}  // namespace headrace::store
