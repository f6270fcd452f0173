#pragma once

#include <ctime>
#include <memory>
#include <string>

#include "base/time.h"
#include "store/backend.h"

namespace headrace::store {

/// Removes the hidden files directly in `folder` that nobody has written to for a day before `now`, and whose writer is not a
/// process of this machine: it was killed. What cannot be removed stays.
void remove_leftovers(const std::string& folder, std::time_t now);

/// A Backend over a directory. Files have mode 0600 and appear by rename or link, so a reader sees all of a file or none; a
/// new directory of `put_tree` is built under a hidden name beside its place and renamed. Directories are made as needed.
class DirectoryBackend final : public Backend {
 public:
  /// `root` need not exist; it is made by the first write. An `update` waits for `lock_max` for another one of the same file.
  explicit DirectoryBackend(std::string root, Duration lock_max = 30s);

  Result<void> put(const std::string& key, std::string_view bytes) override;
  Result<bool> put_new(const std::string& key, std::string_view bytes) override;
  Result<void> put_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<bool> put_new_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<std::string> get(const std::string& key) override;
  Result<std::unique_ptr<ObjectReader>> open(const std::string& key) override;
  Result<std::unique_ptr<ObjectWriter>> create(const std::string& directory) override;
  std::unique_ptr<ObjectAppender> appender(const std::string& key) override;
  Result<std::optional<std::uint64_t>> size(const std::string& key) override;
  Result<void> remove(const std::string& key) override;
  Result<std::vector<Entry>> list(const std::string& directory) override;
  Result<std::string> update(const std::string& key, Change& change) override;
  [[nodiscard]] std::string location(const std::string& key) const override;

 private:
  std::string root_;
  Duration lock_max_;
};

}  // namespace headrace::store
