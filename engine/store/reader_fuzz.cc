#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "store/local_metadata.h"
#include "store/origin.h"
#include "store/reader.h"
#include "store/tags.h"

namespace {

using namespace headrace;

/// The same bytes in every object, under the names that a finished task has.
class ForeignBackend final : public store::Backend {
 public:
  explicit ForeignBackend(std::string_view bytes) : bytes_(bytes) {}

  Result<std::string> get(const std::string&) override { return std::string(bytes_); }
  Result<std::unique_ptr<store::ObjectReader>> open(const std::string&) override {
    return std::unique_ptr<store::ObjectReader>(std::make_unique<Reader>(bytes_));
  }
  Result<std::optional<std::uint64_t>> size(const std::string&) override { return std::optional<std::uint64_t>(bytes_.size()); }
  Result<std::vector<Entry>> list(const std::string&) override {
    return std::vector<Entry>{{"0.DONE.lock"}, {"0.attempt.json"}, {"0.data.json"}, {"0_artifact_x.json"}, {"1", true},
                              {"_meta", true}, {"sysmeta_attempt-done_1.json"}};
  }
  Result<std::string> update(const std::string&, Change& change) override {
    return HR_TRY(change.apply(std::string(bytes_))).value_or("");
  }
  [[nodiscard]] std::string location(const std::string& key) const override { return key; }

  Result<void> put(const std::string& key, std::string_view) override { return written(key); }
  Result<bool> put_new(const std::string& key, std::string_view) override { return HR_TRY(written(key)), true; }
  Result<void> put_tree(const std::string& directory, std::span<const store::Object> objects) override {
    for (const store::Object& object : objects) HR_TRY(written(directory + "/" + object.key));
    return {};
  }
  Result<bool> put_new_tree(const std::string& directory, std::span<const store::Object> objects) override {
    return HR_TRY(put_tree(directory, objects)), true;
  }
  Result<std::unique_ptr<store::ObjectWriter>> create(const std::string&) override {
    return Error{.kind = Kind::failed, .what = "nothing is written here"};
  }
  Result<void> remove(const std::string& key) override { return written(key); }

 private:
  class Reader final : public store::ObjectReader {
   public:
    explicit Reader(std::string_view bytes) : size_(bytes.size()), left_(bytes) {}
    Result<std::size_t> read(std::span<char> buffer) override {
      const std::size_t count = left_.copy(buffer.data(), buffer.size());
      left_.remove_prefix(count);
      return count;
    }
    [[nodiscard]] std::uint64_t size() const override { return size_; }

   private:
    std::uint64_t size_;
    std::string_view left_;
  };

  /// Whatever the bytes say, nothing is written outside of the run.
  static Result<void> written(const std::string& key) {
    HR_CHECK(key.starts_with("F/1/start/") && key.find("..") == std::string::npos);
    return {};
  }

  std::string_view bytes_;
};

}  // namespace

// A datastore that others have written: any bytes in its records, blobs and archives.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const FlowName flow("F");
  const AttemptPath attempt{{RunId("1"), StepName("start"), TaskId("1")}, 0};
  const store::Path task{"F", "1", "start", "1"};
  ForeignBackend backend({reinterpret_cast<const char*>(data), size});
  store::MetadataReader reader(backend);
  for (std::size_t depth = 0; depth <= task.size(); ++depth) {
    const store::Path path(task.begin(), task.begin() + static_cast<std::ptrdiff_t>(depth));
    (void)reader.list(path);
    (void)reader.get(path);
  }
  (void)reader.get({"F", "1", "start", "1", "x"});
  (void)reader.task_metadata(task);
  (void)store::latest_run(backend, flow);
  (void)store::manifest(backend, flow, attempt.task);
  HR_CHECK(store::read_origin(backend, flow, attempt.task.run).ok());
  (void)store::read_committed(backend, flow, attempt);
  (void)store::fetch_local_metadata(backend, backend, flow, attempt);
  (void)store::change_tags(backend, flow, attempt.task.run, {"a"}, {"b"}, WallTime{});
  return 0;
}
