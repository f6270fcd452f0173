#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "store/backend.h"

namespace headrace::store {

/// What a copy of a run's metadata in its datastore consists of: docs/decisions/0004.
struct CopyNames {
  /// FLOW/RUN/_headrace, in the datastore and in the metadata folder.
  static std::string folder(const FlowName& flow, const RunId& run);
  static std::string records(std::uint64_t number);
  static std::string run_record(std::uint64_t number);
  /// The number in the name of such an object.
  static std::optional<std::uint64_t> records_number(std::string_view name);
  static std::optional<std::uint64_t> run_record_number(std::string_view name);
  static constexpr const char* kCopied = "copied";
  static constexpr const char* kRunSeen = "run";
};

/// The metadata of one run that is also copied into its datastore. Everything is passed on to `meta`; what was written of the run
/// is kept until `flush` puts it into `data`. Any thread.
class CopyingBackend final : public Backend {
 public:
  /// Both must outlive it.
  CopyingBackend(Backend& meta, Backend& data, FlowName flow);

  /// From now on it is known which run is copied; what was written of it before counts.
  void begin(const RunId& run);
  /// Copies what was written since the last time, in as few objects as hold it; nothing if that is nothing, or no run has begun.
  /// What could not be copied is kept for the next time.
  Result<void> flush(WallTime now);

  Result<void> put(const std::string& key, std::string_view bytes) override;
  Result<bool> put_new(const std::string& key, std::string_view bytes) override;
  Result<void> put_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<bool> put_new_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<std::string> get(const std::string& key) override { return meta_.get(key); }
  Result<std::unique_ptr<ObjectReader>> open(const std::string& key) override { return meta_.open(key); }
  Result<std::unique_ptr<ObjectWriter>> create(const std::string& directory) override { return meta_.create(directory); }
  Result<std::optional<std::uint64_t>> size(const std::string& key) override { return meta_.size(key); }
  Result<void> remove(const std::string& key) override { return meta_.remove(key); }
  Result<std::vector<Entry>> list(const std::string& directory) override { return meta_.list(directory); }
  /// Nothing of a run's own metadata is changed in place while it runs, but by others: those tell of it themselves.
  Result<std::string> update(const std::string& key, Change& change) override { return meta_.update(key, change); }
  [[nodiscard]] std::string location(const std::string& key) const override { return meta_.location(key); }

 private:
  [[nodiscard]] bool is_of_run(const std::string& key) const;
  void note(std::string key, std::string_view bytes);
  Result<void> put_batch(const RunId& run, std::string_view archive);

  Backend& meta_;
  Backend& data_;
  const FlowName flow_;
  std::mutex mutex_;
  RunId run_;
  std::vector<Object> pending_;
  std::mutex flushing_;  ///< held for a whole flush; `next_` is used under it
  std::uint64_t next_ = 0;
};

}  // namespace headrace::store
