#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "codec/json.h"
#include "store/backend.h"
#include "store/manifest.h"

namespace headrace::store {

/// `[]`, `[flow]`, `[flow, run]`, `[flow, run, step]`, `[flow, run, step, task]`, or an artifact with five names.
using Path = std::vector<std::string>;

/// Reads metadata records (section 5 of docs/formats/datastore.md), written by us or by Metaflow. Objects that are half
/// written, or not JSON, do not exist. Tags and system tags of steps, tasks and artifacts are those of the run.
class MetadataReader {
 public:
  /// `meta` must outlive it.
  explicit MetadataReader(Backend& meta) : meta_(meta) {}

  /// Objects directly below `path`, newest first; below a task: artifact records of `attempt` (default: the last done).
  Result<std::vector<codec::Json>> list(const Path& path, std::optional<int> attempt = {});
  /// One object; error `missing`.
  Result<codec::Json> get(const Path& path, std::optional<int> attempt = {});
  /// The sysmeta objects of a task, oldest first.
  Result<std::vector<codec::Json>> task_metadata(const Path& path);

 private:
  Backend& meta_;
};

struct AttemptState {
  int attempt = 0;
  bool done = false;
};

/// Attempts that have begun, oldest first: probed upward from 0 to the first gap.
Result<std::vector<AttemptState>> attempts(Backend& data, const FlowName& flow, const TaskPath& task);
/// The manifest of `attempt`, or of the newest begun one; error `missing` if that is not done.
Result<Manifest> manifest(Backend& data, const FlowName& flow, const TaskPath& task, std::optional<int> attempt = {});
/// The bytes of `N.data.json` behind `manifest`, with the attempt's number.
struct RawManifest {
  int attempt = 0;
  std::string json;
};
Result<RawManifest> raw_manifest(Backend& data, const FlowName& flow, const TaskPath& task, std::optional<int> attempt = {});
/// FLOW/latest_run.
Result<std::optional<RunId>> latest_run(Backend& data, const FlowName& flow);

/// `FLOW/RUN/STEP/TASK`, after checking that each is a plain name (error `misuse`).
Result<std::string> task_key(const FlowName& flow, const TaskPath& task);
/// True if the text can be one component of a key: not empty, no `/`, no leading `.`, no NUL.
[[nodiscard]] bool is_plain_name(std::string_view text);

}  // namespace headrace::store
