#include "attempt/small_artifacts.h"

#include <utility>

#include "base/together.h"

namespace headrace::attempt {

store::Artifact artifact_of(std::string name, std::string type, std::string encoding) {
  return store::Artifact{.name = std::move(name),
                         .key = {},
                         .size = -1,
                         .type = std::move(type),
                         .encoding = std::move(encoding),
                         .extra = R"({"source": "metaflow"})"};
}

Result<void> check_sizes(const std::vector<wire::ArtifactToSave>& artifacts, std::uint64_t payload_bytes) {
  std::uint64_t left = payload_bytes;
  for (const wire::ArtifactToSave& each : artifacts) {
    if (each.size > left) return Error{.kind = Kind::misuse, .what = "artifacts are announced that the payload does not hold"};
    left -= each.size;
  }
  if (left != 0) return Error{.kind = Kind::misuse, .what = "the payload holds more than the artifacts that are announced"};
  return {};
}

Result<std::vector<store::Artifact>> store_small(store::BlobStore& blobs, const std::vector<wire::ArtifactToSave>& artifacts,
                                                 std::string_view payload) {
  std::vector<store::Artifact> stored;
  std::vector<std::string_view> pickles;
  for (const wire::ArtifactToSave& each : artifacts) {
    stored.push_back(artifact_of(each.name, each.type, each.encoding));
    stored.back().size = static_cast<std::int64_t>(each.size);
    pickles.push_back(payload.substr(0, each.size));
    payload.remove_prefix(each.size);
  }
  const auto store_one = [&](std::size_t i) -> Result<void> {
    stored[i].key = HR_TRY(blobs.put(pickles[i]));
    return {};
  };
  HR_TRY(together(stored.size(), blobs.at_once(), store_one));
  return stored;
}

void keep_small(BlobCache& cache, const std::vector<store::Artifact>& stored, std::string_view payload) {
  constexpr std::size_t kKept = 4 << 10;
  for (const store::Artifact& artifact : stored) {
    const auto size = static_cast<std::size_t>(artifact.size);
    if (size <= kKept) cache.put(artifact.key, std::string(payload.substr(0, size)));
    payload.remove_prefix(size);
  }
}

}  // namespace headrace::attempt
