#include "store/run_copy.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "codec/gzip.h"
#include "codec/tar.h"

namespace headrace::store {
namespace {

/// Of one archive, unpacked: bounds what a reader needs at a time.
constexpr std::size_t kArchiveBytesMax = 16 << 20;

constexpr std::string_view kRecords = "records-";
constexpr std::string_view kRecordsEnd = ".tgz";
constexpr std::string_view kRunRecord = "run-";
constexpr std::string_view kRunRecordEnd = ".json";

std::optional<std::uint64_t> number_between(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size()) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t number = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (end.ec != std::errc{} || end.ptr != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string CopyNames::folder(const FlowName& flow, const RunId& run) { return flow.str() + "/" + run.str() + "/_headrace"; }
std::string CopyNames::records(std::uint64_t number) { return fmt::format("{}{:06}{}", kRecords, number, kRecordsEnd); }
std::string CopyNames::run_record(std::uint64_t number) { return fmt::format("{}{:06}{}", kRunRecord, number, kRunRecordEnd); }
std::optional<std::uint64_t> CopyNames::records_number(std::string_view name) { return number_between(name, kRecords, kRecordsEnd); }
std::optional<std::uint64_t> CopyNames::run_record_number(std::string_view name) {
  return number_between(name, kRunRecord, kRunRecordEnd);
}

CopyingBackend::CopyingBackend(Backend& meta, Backend& data, FlowName flow) : meta_(meta), data_(data), flow_(std::move(flow)) {}

bool CopyingBackend::is_of_run(const std::string& key) const {
  return key.starts_with(flow_.str() + "/" + run_.str() + "/") || key == flow_.str() + "/_meta/_self.json";
}

void CopyingBackend::note(std::string key, std::string_view bytes) {
  const std::lock_guard lock{mutex_};
  if (run_.empty() || is_of_run(key)) pending_.push_back({.key = std::move(key), .bytes = std::string(bytes)});
}

void CopyingBackend::begin(const RunId& run) {
  const std::lock_guard lock{mutex_};
  run_ = run;
  // A resume has fetched records of the run it goes on from.
  std::erase_if(pending_, [this](const Object& object) { return !is_of_run(object.key); });
}

Result<void> CopyingBackend::put_batch(const RunId& run, std::string_view archive) {
  const std::string folder = CopyNames::folder(flow_, run);
  const std::string packed = codec::gzip(archive);
  // A number may be taken: by an earlier process of this run. One that could not be written is not left out: readers would miss it.
  while (!HR_TRY(data_.put_new(folder + "/" + CopyNames::records(next_), packed))) ++next_;
  ++next_;
  return {};
}

Result<void> CopyingBackend::flush(WallTime now) {
  const std::lock_guard flushing{flushing_};
  std::vector<Object> objects;
  RunId run;
  {
    const std::lock_guard lock{mutex_};
    if (run_.empty()) return {};
    run = run_;
    objects = std::exchange(pending_, {});
  }
  const std::int64_t modified = epoch_ms(now) / 1000;
  for (std::size_t done = 0; done < objects.size();) {
    codec::TarWriter writer;
    std::string archive;
    std::size_t end = done;
    while (end < objects.size() && (end == done || archive.size() + objects[end].bytes.size() < kArchiveBytesMax)) {
      writer.add(objects[end].key, objects[end].bytes, modified, archive);
      ++end;
    }
    writer.finish(archive);
    if (auto put = put_batch(run, archive); !put) {
      const std::lock_guard lock{mutex_};
      pending_.insert(pending_.begin(), std::make_move_iterator(objects.begin() + static_cast<std::ptrdiff_t>(done)),
                      std::make_move_iterator(objects.end()));
      return std::move(put).error().at("copying the metadata of the run");
    }
    done = end;
  }
  return {};
}

Result<void> CopyingBackend::put(const std::string& key, std::string_view bytes) {
  HR_TRY(meta_.put(key, bytes));
  note(key, bytes);
  return {};
}

Result<bool> CopyingBackend::put_new(const std::string& key, std::string_view bytes) {
  const bool written = HR_TRY(meta_.put_new(key, bytes));
  // The flow's record is older than this run, as a rule, and each run's copy has one.
  if (written || key == flow_.str() + "/_meta/_self.json") note(key, bytes);
  return written;
}

Result<void> CopyingBackend::put_tree(const std::string& directory, std::span<const Object> objects) {
  HR_TRY(meta_.put_tree(directory, objects));
  for (const Object& object : objects) note(directory + "/" + object.key, object.bytes);
  return {};
}

Result<bool> CopyingBackend::put_new_tree(const std::string& directory, std::span<const Object> objects) {
  const bool written = HR_TRY(meta_.put_new_tree(directory, objects));
  if (!written) return false;
  for (const Object& object : objects) note(directory + "/" + object.key, object.bytes);
  return true;
}

}  // namespace headrace::store
