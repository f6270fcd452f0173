#include "wire/messages.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace headrace::wire {
namespace {

using codec::find_int;
using codec::find_string;
using codec::find_uint;
using codec::get_any;
using codec::get_array;
using codec::get_bool;
using codec::get_int;
using codec::get_object;
using codec::get_string;
using codec::get_strings;
using codec::get_uint;
using codec::Json;

/// In the order of AttemptRequest.
constexpr std::array<std::string_view, 13> kOps = {"begin",     "manifest", "load",       "read",     "close",  "save",         "save_open",
                                                   "write",     "save_close", "metadata", "finish", "start_workers", "wait_workers"};

Error misuse(Error error, std::string_view op) {
  error.kind = Kind::misuse;
  return std::move(error).at(fmt::format("the message `{}`", op));
}

Result<BeginRequest> begin(const Json& body) {
  const std::int64_t wire = HR_TRY(get_int(body, "wire"));
  if (wire != kWireVersion) {
    return Error{.kind = Kind::misuse,
                 .what = "engine and SDK are of different versions",
                 .why = fmt::format("the engine speaks wire version {}, the SDK {}", kWireVersion, wire),
                 .next = "reinstall headrace; if HEADRACE_ENGINE is set, it must point to the engine of this SDK"};
  }
  return BeginRequest{};
}

Result<LoadRequest> load(const Json& body) {
  LoadRequest request;
  request.key = BlobKey(HR_TRY(get_string(body, "key")));
  request.size = HR_TRY(find_int(body, "size")).value_or(-1);
  request.name = HR_TRY(find_string(body, "name")).value_or("");
  request.path = HR_TRY(find_string(body, "path")).value_or("");
  return request;
}

/// ReadRequest or WriteRequest: some bytes of a stream, in the asking process's memory or in the payload.
template <class Request>
Result<Request> piece(const Json& body) {
  Request request;
  request.stream = HR_TRY(get_uint(body, "stream"));
  request.length = HR_TRY(get_uint(body, "length"));
  request.address = HR_TRY(find_uint(body, "address"));
  return request;
}

Result<std::vector<ArtifactToSave>> artifacts_to_save(const Json& body) {
  std::vector<ArtifactToSave> artifacts;
  for (const Json& item : *HR_TRY(get_array(body, "artifacts"))) {
    ArtifactToSave artifact;
    artifact.name = HR_TRY(get_string(item, "name"));
    artifact.type = HR_TRY(get_string(item, "type"));
    artifact.encoding = HR_TRY(get_string(item, "encoding"));
    artifact.size = HR_TRY(get_uint(item, "size"));
    artifacts.push_back(std::move(artifact));
  }
  return artifacts;
}

Result<SaveRequest> save(const Json& body) {
  SaveRequest request;
  request.artifacts = HR_TRY(artifacts_to_save(body));
  return request;
}

Result<SaveOpenRequest> save_open(const Json& body) {
  SaveOpenRequest request;
  request.name = HR_TRY(get_string(body, "name"));
  request.type = HR_TRY(get_string(body, "type"));
  request.encoding = HR_TRY(get_string(body, "encoding"));
  return request;
}

Result<MetadataRequest> metadata(const Json& body) {
  MetadataRequest request;
  for (const Json& item : *HR_TRY(get_array(body, "fields"))) {
    MetadataField field{.field = HR_TRY(get_string(item, "field")),
                        .type = HR_TRY(get_string(item, "type")),
                        .value = *HR_TRY(codec::get_any(item, "value")),
                        .tags = {}};
    if (item.contains("tags") && !item["tags"].is_null()) field.tags = HR_TRY(get_strings(item, "tags"));
    request.fields.push_back(std::move(field));
  }
  return request;
}

Result<FinishRequest> finish(const Json& body) {
  FinishRequest request;
  if (body.contains("artifacts")) request.artifacts = HR_TRY(artifacts_to_save(body));
  request.ok = HR_TRY(get_bool(body, "ok"));
  for (const Json& item : *HR_TRY(get_array(body, "inherit"))) {
    Inherit inherit;
    const Json* from = HR_TRY(get_any(item, "from"));
    if (!(from->is_string() && from->get_ref<const std::string&>() == "parameters")) {
      inherit.from = HR_TRY(get_uint(item, "from"));
    }
    inherit.names = HR_TRY(get_strings(item, "names"));
    request.inherit.push_back(std::move(inherit));
  }
  if (const Json* transition = HR_TRY(codec::find_object(body, "transition"))) {
    request.transition.emplace();
    request.transition->next = HR_TRY(get_strings(*transition, "next"));
    request.transition->splits = HR_TRY(find_int(*transition, "splits"));
  }
  return request;
}

Result<AttemptRequest> parse(std::string_view op, const Json& body) {
  if (op == "begin") return AttemptRequest(HR_TRY(begin(body)));
  if (op == "manifest") {
    ManifestRequest request;
    request.input = HR_TRY(get_uint(body, "input"));
    if (body.contains("count")) request.count = HR_TRY(get_uint(body, "count"));
    return AttemptRequest(request);
  }
  if (op == "load") return AttemptRequest(HR_TRY(load(body)));
  if (op == "read") return AttemptRequest(HR_TRY(piece<ReadRequest>(body)));
  if (op == "close") return AttemptRequest(CloseRequest{.stream = HR_TRY(get_uint(body, "stream"))});
  if (op == "save") return AttemptRequest(HR_TRY(save(body)));
  if (op == "save_open") return AttemptRequest(HR_TRY(save_open(body)));
  if (op == "write") return AttemptRequest(HR_TRY(piece<WriteRequest>(body)));
  if (op == "save_close") return AttemptRequest(SaveCloseRequest{.stream = HR_TRY(get_uint(body, "stream"))});
  if (op == "metadata") return AttemptRequest(HR_TRY(metadata(body)));
  if (op == "finish") return AttemptRequest(HR_TRY(finish(body)));
  if (op == "start_workers") return AttemptRequest(StartWorkersRequest{.count = HR_TRY(get_uint(body, "count"))});
  if (op == "wait_workers") return AttemptRequest(WaitWorkersRequest{});
  return Error{.what = "an attempt's channel has no such message"};
}

struct Writer {
  Json& body;

  void operator()(const BeginRequest& r) { body["wire"] = r.wire; }
  void operator()(const ManifestRequest& r) { body.update(Json{{"input", r.input}, {"count", r.count}}); }
  void operator()(const LoadRequest& r) {
    body.update(Json{{"key", r.key.str()}, {"size", r.size}, {"name", r.name}, {"path", r.path}});
  }
  void operator()(const ReadRequest& r) { memory(r.stream, r.length, r.address); }
  void operator()(const CloseRequest& r) { body["stream"] = r.stream; }
  void operator()(const SaveRequest& r) { to_save(r.artifacts); }
  void operator()(const SaveOpenRequest& r) { body.update(Json{{"name", r.name}, {"type", r.type}, {"encoding", r.encoding}}); }
  void operator()(const WriteRequest& r) { memory(r.stream, r.length, r.address); }
  void operator()(const SaveCloseRequest& r) { body["stream"] = r.stream; }
  void operator()(const MetadataRequest& r) {
    Json& fields = body["fields"] = Json::array();
    for (const MetadataField& f : r.fields) {
      Json field{{"field", f.field}, {"type", f.type}, {"value", f.value}};
      if (!f.tags.empty()) field["tags"] = f.tags;
      fields.push_back(std::move(field));
    }
  }
  void operator()(const FinishRequest& r) {
    if (!r.artifacts.empty()) to_save(r.artifacts);
    body["ok"] = r.ok;
    Json& inherit = body["inherit"] = Json::array();
    for (const Inherit& i : r.inherit) {
      inherit.push_back(Json{{"from", i.from ? Json(*i.from) : Json("parameters")}, {"names", i.names}});
    }
    body["transition"] = nullptr;
    if (r.transition) {
      body["transition"] = Json{{"next", r.transition->next}, {"splits", nullptr}};
      if (r.transition->splits) body["transition"]["splits"] = *r.transition->splits;
    }
  }
  void operator()(const StartWorkersRequest& r) { body["count"] = r.count; }
  void operator()(const WaitWorkersRequest&) {}

 private:
  void to_save(const std::vector<ArtifactToSave>& all) {
    Json& artifacts = body["artifacts"] = Json::array();
    for (const ArtifactToSave& a : all) {
      artifacts.push_back(Json{{"name", a.name}, {"type", a.type}, {"encoding", a.encoding}, {"size", a.size}});
    }
  }
  void memory(std::uint64_t stream, std::uint64_t length, const std::optional<std::uint64_t>& address) {
    body["stream"] = stream;
    body["length"] = length;
    if (address) body["address"] = *address;
  }
};

}  // namespace

Result<AttemptRequest> parse_attempt_request(const Json& body) {
  auto op = get_string(body, "op");
  if (!op) return misuse(std::move(op).error(), "?");
  auto request = parse(*op, body);
  if (!request) return misuse(std::move(request).error(), *op);
  return request;
}

std::string_view op_of(const AttemptRequest& request) {
  static_assert(kOps.size() == std::variant_size_v<AttemptRequest>);
  return kOps[request.index()];
}

Json to_json(const AttemptRequest& request) {
  Json body{{"op", op_of(request)}};
  std::visit(Writer{body}, request);
  return body;
}

Json to_json(const BeginAnswer& answer) {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json ubf = nullptr;
  if (answer.ubf == ParallelRole::control) ubf = "control";
  if (answer.ubf == ParallelRole::worker) ubf = "worker";
  return Json{{"ok", true},
              {"wire", kWireVersion},
              {"flow", answer.flow},
              {"run_id", answer.run_id},
              {"step", answer.step},
              {"task_id", answer.task_id},
              {"attempt", answer.attempt},
              {"max_user_code_retries", answer.max_user_code_retries},
              {"split_index", or_null(answer.split_index)},
              {"join", answer.join},
              {"inputs", answer.inputs},
              {"manifest", answer.manifest},
              {"parameters", answer.parameters},
              {"ubf", ubf},
              {"num_parallel", answer.num_parallel},
              {"node_index", answer.node_index},
              {"control_task", answer.control_task},
              {"origin_run_id", or_null(answer.origin_run_id)},
              {"user", answer.user},
              {"namespace", answer.namespace_},
              {"tags", answer.tags},
              {"sys_tags", answer.sys_tags},
              {"datastore", Json{{"type", answer.datastore_type}, {"root", answer.datastore_root}}},
              {"metadata_root", answer.metadata_root}};
}

Result<BeginAnswer> parse_begin_answer(const Json& body) {
  BeginAnswer answer;
  answer.flow = HR_TRY(get_string(body, "flow"));
  answer.run_id = HR_TRY(get_string(body, "run_id"));
  answer.step = HR_TRY(get_string(body, "step"));
  answer.task_id = HR_TRY(get_string(body, "task_id"));
  answer.attempt = static_cast<int>(HR_TRY(get_int(body, "attempt")));
  answer.max_user_code_retries = static_cast<int>(HR_TRY(get_int(body, "max_user_code_retries")));
  answer.split_index = HR_TRY(find_int(body, "split_index"));
  answer.join = HR_TRY(get_bool(body, "join"));
  answer.inputs = HR_TRY(get_strings(body, "inputs"));
  answer.manifest = *HR_TRY(get_any(body, "manifest"));
  answer.parameters = *HR_TRY(get_any(body, "parameters"));
  if (const auto ubf = HR_TRY(find_string(body, "ubf"))) {
    if (*ubf != "control" && *ubf != "worker") return Error{.what = fmt::format("`ubf` is `{}`", *ubf)};
    answer.ubf = *ubf == "control" ? ParallelRole::control : ParallelRole::worker;
  }
  answer.num_parallel = HR_TRY(get_int(body, "num_parallel"));
  answer.node_index = HR_TRY(get_int(body, "node_index"));
  answer.control_task = HR_TRY(get_string(body, "control_task"));
  answer.origin_run_id = HR_TRY(find_string(body, "origin_run_id"));
  answer.user = HR_TRY(get_string(body, "user"));
  answer.namespace_ = HR_TRY(get_string(body, "namespace"));
  answer.tags = HR_TRY(get_strings(body, "tags"));
  answer.sys_tags = HR_TRY(get_strings(body, "sys_tags"));
  const Json* datastore = HR_TRY(get_object(body, "datastore"));
  answer.datastore_type = HR_TRY(get_string(*datastore, "type"));
  answer.datastore_root = HR_TRY(get_string(*datastore, "root"));
  answer.metadata_root = HR_TRY(get_string(body, "metadata_root"));
  return answer;
}

}  // namespace headrace::wire
