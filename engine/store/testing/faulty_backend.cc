#include "store/testing/faulty_backend.h"

#include <cerrno>

namespace headrace::store::testing {
namespace {

class FaultyWriter final : public ObjectWriter {
 public:
  FaultyWriter(FaultyBackend& backend, std::unique_ptr<ObjectWriter> inner) : backend_(backend), inner_(std::move(inner)) {}

  Result<void> write(std::string_view bytes) override {
    HR_TRY(backend_.step("a new object"));
    return inner_->write(bytes);
  }
  Result<bool> commit_new(const std::string& key) override {
    HR_TRY(backend_.step(key));
    return inner_->commit_new(key);
  }

 private:
  FaultyBackend& backend_;
  std::unique_ptr<ObjectWriter> inner_;
};

}  // namespace

Result<void> FaultyBackend::step(const std::string& key) {
  ++operations_;
  if (failed()) return system_error(ENOSPC, "cannot write `" + key + "`");
  return {};
}

Result<void> FaultyBackend::put(const std::string& key, std::string_view bytes) {
  HR_TRY(step(key));
  return inner_.put(key, bytes);
}

Result<bool> FaultyBackend::put_new(const std::string& key, std::string_view bytes) {
  HR_TRY(step(key));
  return inner_.put_new(key, bytes);
}

Result<void> FaultyBackend::put_tree(const std::string& directory, std::span<const Object> objects) {
  if (HR_TRY(inner_.list(directory)).empty()) {
    HR_TRY(step(directory));
    return inner_.put_tree(directory, objects);
  }
  for (const Object& object : objects) HR_TRY(put(directory + "/" + object.key, object.bytes));
  return {};
}

Result<bool> FaultyBackend::put_new_tree(const std::string& directory, std::span<const Object> objects) {
  HR_TRY(step(directory));
  return inner_.put_new_tree(directory, objects);
}

Result<std::string> FaultyBackend::get(const std::string& key) {
  HR_TRY(step(key));
  return inner_.get(key);
}

Result<std::unique_ptr<ObjectReader>> FaultyBackend::open(const std::string& key) {
  HR_TRY(step(key));
  return inner_.open(key);
}

Result<std::unique_ptr<ObjectWriter>> FaultyBackend::create(const std::string& directory) {
  HR_TRY(step(directory));
  return std::unique_ptr<ObjectWriter>{std::make_unique<FaultyWriter>(*this, HR_TRY(inner_.create(directory)))};
}

Result<std::optional<std::uint64_t>> FaultyBackend::size(const std::string& key) {
  HR_TRY(step(key));
  return inner_.size(key);
}

Result<void> FaultyBackend::remove(const std::string& key) {
  HR_TRY(step(key));
  return inner_.remove(key);
}

Result<std::vector<Backend::Entry>> FaultyBackend::list(const std::string& directory) {
  HR_TRY(step(directory));
  return inner_.list(directory);
}

Result<std::string> FaultyBackend::update(const std::string& key, Change& change) {
  HR_TRY(step(key));
  return inner_.update(key, change);
}

}  // namespace headrace::store::testing
