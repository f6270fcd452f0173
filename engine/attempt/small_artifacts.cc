#include "attempt/small_artifacts.h"

#include <utility>

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
  for (const wire::ArtifactToSave& each : artifacts) {
    store::Artifact artifact = artifact_of(each.name, each.type, each.encoding);
    artifact.key = HR_TRY(blobs.put(payload.substr(0, each.size)));
    artifact.size = static_cast<std::int64_t>(each.size);
    payload.remove_prefix(each.size);
    stored.push_back(std::move(artifact));
  }
  return stored;
}

}  // namespace headrace::attempt
