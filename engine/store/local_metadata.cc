#include "store/local_metadata.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "codec/gzip.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "store/archive.h"
#include "store/blob_store.h"
#include "store/reader.h"

namespace headrace::store {
namespace {

/// The folder in the archive: the local metadata root, as Metaflow names it in the pod.
constexpr std::string_view kFolder = ".metaflow/";
/// Records of one task, unpacked: some KB each, a few dozen and one for each artifact.
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

struct Place {
  std::string step;    ///< FLOW/RUN/STEP
  std::string task;    ///< FLOW/RUN/STEP/TASK
  std::string object;  ///< FLOW/RUN/STEP/TASK/N.local_metadata
};

Result<Place> place_of(const FlowName& flow, const AttemptPath& attempt) {
  Place place;
  place.task = HR_TRY(task_key(flow, attempt.task));
  place.step = place.task.substr(0, place.task.rfind('/'));
  place.object = fmt::format("{}/{}.local_metadata", place.task, attempt.attempt);
  return place;
}

Result<void> add_folder(Backend& meta, const std::string& folder, std::int64_t modified, std::string& archive) {
  codec::TarWriter writer;
  for (const Backend::Entry& entry : HR_TRY(meta.list(folder))) {
    if (entry.directory) continue;
    const std::string key = folder + "/" + entry.name;
    const std::string bytes = HR_TRY(meta.get(key));
    writer.add(std::string(kFolder) + key, bytes, modified, archive);
  }
  return {};
}

/// Gathers the records; checks that they are the task's.
class Records : public codec::TarSink {
 public:
  explicit Records(const Place& place) : place_(place) {}

  Result<void> begin(const codec::TarMember& member) override {
    std::string_view name = member.name;
    if (name.starts_with(kFolder)) name.remove_prefix(kFolder.size());
    bytes_ += member.size;
    if (bytes_ > kBytesMax) return Error{.kind = Kind::failed, .what = "the metadata of an attempt is too large"};
    // Metaflow packs the records of flow and run too; those of this machine are older.
    wanted_ = true;
    if (const auto below = tail(name, place_.task + "/_meta/")) {
      task.push_back({.key = "_meta/" + *below, .bytes = {}});
      into_ = &task.back().bytes;
    } else if (tail(name, place_.step + "/_meta/")) {
      step.push_back({.key = std::string(name), .bytes = {}});
      into_ = &step.back().bytes;
    } else {
      wanted_ = false;
    }
    return {};
  }
  Result<void> content(std::string_view bytes) override {
    if (wanted_) *into_ += bytes;
    return {};
  }
  Result<void> end() override { return {}; }

  std::vector<Object> task;  ///< keys below the task
  std::vector<Object> step;  ///< whole keys

 private:
  /// What follows `prefix` in `name`, if that is one plain name.
  static std::optional<std::string> tail(std::string_view name, const std::string& prefix) {
    if (!name.starts_with(prefix) || !is_plain_name(name.substr(prefix.size()))) return std::nullopt;
    return std::string(name.substr(prefix.size()));
  }

  const Place& place_;
  std::uint64_t bytes_ = 0;
  bool wanted_ = false;
  std::string* into_ = nullptr;
};

Result<void> put_records(Backend& meta, const Place& place, const Records& records) {
  for (const Object& object : records.step) HR_TRY(meta.put_new(object.key, object.bytes));
  // Earlier attempts, or the run itself, may have written records of the task: those stay.
  return meta.put_missing(place.task, records.task);
}

}  // namespace

Result<void> store_local_metadata(Backend& data, Backend& meta, const FlowName& flow, const AttemptPath& attempt, WallTime now) {
  const Place place = HR_TRY(place_of(flow, attempt));
  const std::int64_t modified = epoch_ms(now) / 1000;
  std::string archive;
  HR_TRY(add_folder(meta, place.step + "/_meta", modified, archive));
  HR_TRY(add_folder(meta, place.task + "/_meta", modified, archive));
  codec::TarWriter().finish(archive);
  const BlobKey key = HR_TRY(BlobStore(data, flow).put_raw(codec::gzip(archive)));
  return data.put(place.object, codec::dump_json(codec::Json(key.str())));
}

Result<bool> fetch_local_metadata(Backend& data, Backend& meta, const FlowName& flow, const AttemptPath& attempt) {
  const Place place = HR_TRY(place_of(flow, attempt));
  auto text = data.get(place.object);
  if (!text && text.error().kind == Kind::missing) return false;
  if (!text) return std::move(text).error();
  const codec::Json key = HR_TRY(codec::parse_json(*text, data.location(place.object)));
  if (!key.is_string()) {
    return Error{.kind = Kind::failed, .what = "the key of an attempt's metadata is no text", .where = data.location(place.object)};
  }
  const BlobUse use{.name = "local_metadata", .path = attempt.task.str()};
  const auto blob = HR_TRY(BlobStore(data, flow).raw_reader(BlobKey(key.get<std::string>()), use));
  Records records(place);
  if (auto unpacked = read_archive(*blob, records); !unpacked) return std::move(unpacked).error().at(data.location(place.object));
  HR_TRY(put_records(meta, place, records));
  return true;
}

}  // namespace headrace::store
