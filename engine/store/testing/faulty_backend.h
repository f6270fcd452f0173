#pragma once

#include <string>
#include <vector>

#include "store/backend.h"

namespace headrace::store::testing {

/// Passes everything on to `inner` until the operation number `fail_at` (from 1), which fails as a full disk does, as do all
/// after it: what a crash at that moment leaves. A tree into an existing directory counts as one operation an object.
class FaultyBackend final : public Backend {
 public:
  explicit FaultyBackend(Backend& inner, int fail_at = 0) : inner_(inner), fail_at_(fail_at) {}

  [[nodiscard]] bool failed() const { return fail_at_ > 0 && operations_ >= fail_at_; }
  /// From here on nothing fails.
  void mend() { fail_at_ = 0; }
  [[nodiscard]] int operations() const { return operations_; }

  Result<void> put(const std::string& key, std::string_view bytes) override;
  Result<bool> put_new(const std::string& key, std::string_view bytes) override;
  Result<void> put_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<bool> put_new_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<std::string> get(const std::string& key) override;
  Result<std::unique_ptr<ObjectReader>> open(const std::string& key) override;
  Result<std::unique_ptr<ObjectWriter>> create(const std::string& directory) override;
  Result<std::optional<std::uint64_t>> size(const std::string& key) override;
  Result<void> remove(const std::string& key) override;
  Result<std::vector<Entry>> list(const std::string& directory) override;
  Result<std::string> update(const std::string& key, Change& change) override;
  [[nodiscard]] std::string location(const std::string& key) const override { return inner_.location(key); }

  /// One more operation: an error from `fail_at` on.
  Result<void> step(const std::string& key);

 private:
  Backend& inner_;
  int fail_at_;
  int operations_ = 0;
};

}  // namespace headrace::store::testing
