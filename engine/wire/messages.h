#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "codec/json.h"
#include "wire/version.h"

/// Requests and answers of an attempt's channel: docs/formats/wire.md, section 4.
namespace headrace::wire {

struct BeginRequest {
  int wire = kWireVersion;
};

/// The artifacts of input `input` of `BeginAnswer::inputs`, and of the `count` - 1 that follow.
struct ManifestRequest {
  std::uint64_t input = 0;
  std::uint64_t count = 1;
};

struct LoadRequest {
  BlobKey key;
  std::int64_t size = -1;  ///< of the uncompressed bytes, from the manifest; -1 if not known
  std::string name;        ///< of the artifact; this and the path only serve error texts
  std::string path;        ///< run/step/task
};

struct ReadRequest {
  std::uint64_t stream = 0;
  std::uint64_t length = 0;
  std::optional<std::uint64_t> address;  ///< in the asking process
};

struct CloseRequest {
  std::uint64_t stream = 0;
};

struct ArtifactToSave {
  std::string name;
  std::string type;  ///< text of the Python type: `<class 'int'>`
  std::string encoding;
  std::uint64_t size = 0;  ///< of its bytes in the payload
};

struct SaveRequest {
  std::vector<ArtifactToSave> artifacts;
};

struct SaveOpenRequest {
  std::string name;
  std::string type;
  std::string encoding;
};

struct WriteRequest {
  std::uint64_t stream = 0;
  std::uint64_t length = 0;
  std::optional<std::uint64_t> address;  ///< in the asking process; else the bytes are the payload
};

struct SaveCloseRequest {
  std::uint64_t stream = 0;
};

struct MetadataField {
  std::string field;
  std::string type;
  codec::Json value;  ///< text; a list for foreach-stack
  std::vector<std::string> tags;
  bool operator==(const MetadataField&) const = default;
};

struct MetadataRequest {
  std::vector<MetadataField> fields;
};

/// Manifest entries to take over by reference.
struct Inherit {
  std::optional<std::uint64_t> from;  ///< number of the input; nothing for `_parameters`
  std::vector<std::string> names;
};

struct TransitionMessage {
  std::vector<std::string> next;
  std::optional<std::int64_t> splits;
};

struct FinishRequest {
  std::vector<ArtifactToSave> artifacts;  ///< the last small ones, in the payload
  bool ok = false;
  std::vector<Inherit> inherit;
  std::optional<TransitionMessage> transition;
};

struct StartWorkersRequest {
  std::uint64_t count = 0;
};

struct WaitWorkersRequest {};

using AttemptRequest =
    std::variant<BeginRequest, ManifestRequest, LoadRequest, ReadRequest, CloseRequest, SaveRequest, SaveOpenRequest,
                 WriteRequest, SaveCloseRequest, MetadataRequest, FinishRequest, StartWorkersRequest, WaitWorkersRequest>;

/// Error (misuse) that names the message and the field: for an unknown `op`, a field that is absent or of another type, and
/// a `begin` of another wire version.
Result<AttemptRequest> parse_attempt_request(const codec::Json& body);
[[nodiscard]] codec::Json to_json(const AttemptRequest& request);
/// The value of `op` for a request.
[[nodiscard]] std::string_view op_of(const AttemptRequest& request);

/// Place of a task among those of a num_parallel; `none`: it is not one of them.
enum class ParallelRole { none, control, worker };

/// What an attempt is to run: section 4.1. Manifests are `{"objects": ..., "info": ...}`, untouched.
struct BeginAnswer {
  std::string flow;
  std::string run_id;
  std::string step;
  std::string task_id;
  int attempt = 0;
  int max_user_code_retries = 0;
  std::optional<std::int64_t> split_index;
  bool join = false;
  std::vector<std::string> inputs;  ///< run/step/task
  codec::Json manifest;          ///< null for a join
  codec::Json parameters;
  ParallelRole ubf = ParallelRole::none;
  std::int64_t num_parallel = 0;
  std::int64_t node_index = 0;
  std::string control_task;
  std::optional<std::string> origin_run_id;
  std::string user;
  std::string namespace_;
  std::vector<std::string> tags;
  std::vector<std::string> sys_tags;
  std::string datastore_type;
  std::string datastore_root;
  std::string metadata_root;
};

/// With `"ok": true`.
[[nodiscard]] codec::Json to_json(const BeginAnswer& answer);
Result<BeginAnswer> parse_begin_answer(const codec::Json& body);

}  // namespace headrace::wire
