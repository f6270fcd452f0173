#pragma once

#include <memory>
#include <string>

#include "s3/client.h"
#include "store/backend.h"
#include "store/known_blobs.h"

namespace headrace::store {

/// A Backend over `s3://BUCKET/PREFIX`, in Metaflow's layout: a blob's form is user metadata of the object.
///
/// New objects are created by conditional requests, so one of several writers wins wherever they run; `update` too is kept apart
/// from others by the object's etag, from any machine (a change whose answer was lost may be applied once more). A tree's objects
/// appear side by side, the last one after all others, whether its directory exists or not: whoever looks at the last one sees
/// all. `put_new_tree` is won by who creates the first object.
class S3Backend final : public Backend {
 public:
  /// `root` as in `s3::parse_address`.
  static Result<std::unique_ptr<S3Backend>> make(std::shared_ptr<s3::Client> client, const std::string& root);

  Result<void> put(const std::string& key, std::string_view bytes) override;
  Result<bool> put_new(const std::string& key, std::string_view bytes) override;
  Result<void> put_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<bool> put_new_tree(const std::string& directory, std::span<const Object> objects) override;
  Result<std::string> get(const std::string& key) override;
  Result<std::unique_ptr<ObjectReader>> open(const std::string& key) override;
  Result<std::unique_ptr<ObjectWriter>> create(const std::string& directory) override;
  Result<std::optional<std::uint64_t>> size(const std::string& key) override;
  Result<bool> put_blob(const std::string& key, std::string_view bytes, BlobForm form) override;
  Result<Blob> open_blob(const std::string& key) override;
  [[nodiscard]] bool looks_first(std::uint64_t size) const override;
  Result<void> remove(const std::string& key) override;
  Result<std::vector<Entry>> list(const std::string& directory) override;
  Result<std::string> update(const std::string& key, Change& change) override;
  [[nodiscard]] std::size_t at_once() const override { return 16; }
  Result<void> check() override;
  void stop() override { client_->stop(); }
  [[nodiscard]] std::string location(const std::string& key) const override;

 private:
  S3Backend(std::shared_ptr<s3::Client> client, s3::Address root) : client_(std::move(client)), root_(std::move(root)) {}
  /// All but the last side by side, then that.
  Result<void> put_all(const std::string& directory, std::span<const Object> objects);
  [[nodiscard]] s3::Address at(const std::string& key) const { return {.bucket = root_.bucket, .key = root_.key + key}; }

  std::shared_ptr<s3::Client> client_;
  KnownBlobs known_;
  const s3::Address root_;  ///< its key is empty or ends with a slash
};

}  // namespace headrace::store
