#include "cli/store_requests.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "codec/sha1.h"
#include "logs/stored_log.h"
#include "store/blob_store.h"
#include "store/open_backend.h"
#include "store/reader.h"
#include "store/tags.h"
#include "wire/frame.h"

namespace headrace::cli {
namespace {

using codec::Json;

/// Smaller blobs come in one answer.
constexpr std::int64_t kStreamBytesMin = 1 << 20;
/// Where lines without a frame stand in time: after all others, as Metaflow shows them.
constexpr std::string_view kUnframedTime = "3000-01-01T00:00:00.000000";

StoreReply reply() { return {.body = wire::ok_body(), .payload = {}, .stream = nullptr}; }

Result<std::string> root_of(const Json& request, std::string_view field) {
  std::string root = HR_TRY(codec::get_string(request, field));
  if (root.empty()) return Error{.kind = Kind::misuse, .what = fmt::format("`{}` of a store request is empty", field)};
  return root;
}

using BackendPtr = std::unique_ptr<store::Backend>;

/// The datastore or card root that a request names by `root`, and by `type` if it likes.
Result<BackendPtr> data_of(const Json& request) {
  return store::open_backend(HR_TRY(codec::find_string(request, "type")).value_or(""), HR_TRY(root_of(request, "root")));
}

/// Metadata is always in a directory.
Result<BackendPtr> meta_of(const Json& request) { return store::open_backend("local", HR_TRY(root_of(request, "meta"))); }

Result<store::Path> path_of(const Json& request, std::size_t names) {
  store::Path path = HR_TRY(codec::get_strings(request, "path"));
  if (path.size() == names) return path;
  return Error{.kind = Kind::misuse,
               .what = fmt::format("`{}` has {} names; {} are needed here", fmt::join(path, "/"), path.size(), names)};
}

/// A task of a datastore, as the requests with `root` and `path` name it.
struct TaskPlace {
  FlowName flow;
  TaskPath task;
  std::string key;  ///< FLOW/RUN/STEP/TASK
};

Result<TaskPlace> task_of(const Json& request) {
  TaskPlace place;
  const store::Path path = HR_TRY(path_of(request, 4));
  place.flow = FlowName{path[0]};
  place.task = {RunId{path[1]}, StepName{path[2]}, TaskId{path[3]}};
  place.key = HR_TRY(store::task_key(place.flow, place.task));
  return place;
}

Result<std::optional<int>> attempt_of(const Json& request) {
  const auto attempt = HR_TRY(codec::find_int(request, "attempt"));
  if (!attempt) return std::optional<int>{};
  if (*attempt < 0 || *attempt >= kAttemptsMax) {
    return Error{.kind = Kind::missing,
                 .what = fmt::format("there is no attempt {}", *attempt),
                 .why = fmt::format("attempts are numbered from 0 to {}", kAttemptsMax - 1)};
  }
  return std::optional<int>{static_cast<int>(*attempt)};
}

Result<StoreReply> on_list(const Json& request, const std::string&, WallTime) {
  const BackendPtr meta = HR_TRY(meta_of(request));
  const store::Path path = HR_TRY(codec::get_strings(request, "path"));
  const auto attempt = HR_TRY(attempt_of(request));
  StoreReply out = reply();
  // Beside the JSON, which is bounded: a wide foreach has a hundred thousand tasks, and each shows the tags of its run.
  out.payload = codec::dump_json(HR_TRY(store::MetadataReader{*meta}.list(path, attempt)));
  return out;
}

Result<StoreReply> on_get(const Json& request, const std::string&, WallTime) {
  const BackendPtr meta = HR_TRY(meta_of(request));
  const store::Path path = HR_TRY(codec::get_strings(request, "path"));
  const auto attempt = HR_TRY(attempt_of(request));
  StoreReply out = reply();
  out.body["object"] = HR_TRY(store::MetadataReader{*meta}.get(path, attempt));
  return out;
}

Result<StoreReply> on_task_metadata(const Json& request, const std::string&, WallTime) {
  const BackendPtr meta = HR_TRY(meta_of(request));
  const store::Path path = HR_TRY(path_of(request, 4));
  StoreReply out = reply();
  out.body["records"] = HR_TRY(store::MetadataReader{*meta}.task_metadata(path));
  return out;
}

/// Changes tags of a run; in the datastore `copies` too, if there is one.
Result<StoreReply> change_tags(const Json& request, const std::optional<std::string>& root, WallTime now, store::RunCopies& copies) {
  const BackendPtr meta = HR_TRY(meta_of(request));
  const store::Path path = HR_TRY(path_of(request, 2));
  const FlowName flow{path[0]};
  const RunId run{path[1]};
  const auto add = HR_TRY(codec::get_strings(request, "add"));
  const auto remove = HR_TRY(codec::get_strings(request, "remove"));
  StoreReply out = reply();
  if (root) {
    const BackendPtr data = HR_TRY(store::open_backend({}, *root));
    out.body["object"] = HR_TRY(copies.change_tags(*data, *meta, flow, run, add, remove, now));
  } else {
    out.body["object"] = HR_TRY(store::change_tags(*meta, flow, run, add, remove, now));
  }
  return out;
}

Result<StoreReply> on_manifest(const Json& request, const std::string&, WallTime) {
  const TaskPlace place = HR_TRY(task_of(request));
  const BackendPtr data = HR_TRY(data_of(request));
  const auto attempt = HR_TRY(attempt_of(request));
  const store::RawManifest manifest = HR_TRY(store::raw_manifest(*data, place.flow, place.task, attempt));
  const std::string file = data->location(fmt::format("{}/{}.data.json", place.key, manifest.attempt));
  HR_TRY(store::parse_manifest(manifest.json, file));  // a damaged one is refused here, with its name
  StoreReply out = reply();
  out.body["manifest"] = HR_TRY(codec::parse_json(manifest.json, file));
  out.body["attempt"] = manifest.attempt;
  return out;
}

Result<StoreReply> on_attempts(const Json& request, const std::string&, WallTime) {
  const TaskPlace place = HR_TRY(task_of(request));
  const BackendPtr data = HR_TRY(data_of(request));
  StoreReply out = reply();
  out.body["attempts"] = Json::array();
  for (const store::AttemptState& state : HR_TRY(store::attempts(*data, place.flow, place.task))) {
    out.body["attempts"].push_back({{"attempt", state.attempt}, {"done", state.done}});
  }
  return out;
}

Result<StoreReply> on_latest_run(const Json& request, const std::string&, WallTime) {
  const BackendPtr data = HR_TRY(data_of(request));
  const FlowName flow{HR_TRY(codec::get_string(request, "flow"))};
  const auto run = HR_TRY(store::latest_run(*data, flow));
  StoreReply out = reply();
  out.body["run_id"] = run ? Json(run->str()) : Json();
  return out;
}

/// Small bytes of known size at once, all others as a stream.
Result<StoreReply> given(std::unique_ptr<store::BlobReader> reader, std::int64_t size) {
  StoreReply out = reply();
  auto stream = std::make_shared<store::BlobStream>(std::move(reader));
  if (size < 0 || size >= kStreamBytesMin) {
    out.stream = std::move(stream);
    return out;
  }
  for (;;) {
    const store::BlobStream::Piece piece = HR_TRY(stream->read(store::BlobStream::kPieceMax));
    if (piece.length == 0) return out;
    out.payload += piece.bytes;
  }
}

Result<std::int64_t> size_of(const Json& request) { return HR_TRY(codec::find_int(request, "size")).value_or(-1); }

Result<store::BlobUse> use_of(const Json& request) {
  return store::BlobUse{.name = HR_TRY(codec::find_string(request, "name")).value_or(""),
                        .path = HR_TRY(codec::find_string(request, "path")).value_or("")};
}

Result<StoreReply> on_load(const Json& request, const std::string&, WallTime) {
  const BackendPtr data = HR_TRY(data_of(request));
  store::BlobStore blobs{*data, FlowName{HR_TRY(codec::get_string(request, "flow"))}};
  const BlobKey key{HR_TRY(codec::get_string(request, "key"))};
  const store::BlobUse use = HR_TRY(use_of(request));
  const bool raw = HR_TRY(codec::find_bool(request, "raw")).value_or(false);
  auto reader = raw ? blobs.raw_reader(key, use) : blobs.reader(key, use);
  if (!reader) return std::move(reader).error();
  return given(*std::move(reader), HR_TRY(size_of(request)));
}

Result<StoreReply> on_include(const Json& request, const std::string&, WallTime) {
  const BlobKey sha{HR_TRY(codec::get_string(request, "sha"))};
  const std::string url = HR_TRY(codec::find_string(request, "url")).value_or("");
  store::ObjectPlace place{.folder = {}, .name = sha.str()};
  if (url.empty()) {
    place.folder = HR_TRY(root_of(request, "root")) + "/data/" + HR_TRY(codec::get_string(request, "flow"));
  } else {
    place = HR_TRY(store::place_of_url(url));
  }
  if (!codec::is_sha1_hex(sha.str())) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` is not the SHA-1 of an included file", sha.str())};
  }
  const BackendPtr backend = HR_TRY(store::open_backend({}, place.folder));
  store::BlobUse use = HR_TRY(use_of(request));
  use.path.clear();  // the error names the file already
  return given(HR_TRY(store::read_object(*backend, place.name, sha, use)), HR_TRY(size_of(request)));
}

Result<logs::Stream> stream_of(const Json& request) {
  const std::string name = HR_TRY(codec::get_string(request, "stream"));
  if (name == "stdout") return logs::Stream::out;
  if (name == "stderr") return logs::Stream::err;
  return Error{.kind = Kind::misuse, .what = fmt::format("`{}` is no stream of a task: stdout or stderr", name)};
}

Result<int> attempt_needed(const Json& request) {
  const auto attempt = HR_TRY(attempt_of(request));
  if (attempt) return *attempt;
  return Error{.kind = Kind::misuse, .what = "the request does not say which attempt"};
}

Result<StoreReply> on_logs(const Json& request, const std::string&, WallTime) {
  const TaskPlace place = HR_TRY(task_of(request));
  const BackendPtr data = HR_TRY(data_of(request));
  const int attempt = HR_TRY(attempt_needed(request));
  const logs::Stream stream = HR_TRY(stream_of(request));
  const logs::StoredLog log = HR_TRY(logs::read_log(*data, place.key, attempt, stream));
  StoreReply out = reply();
  Json lines = Json::array();
  for (const codec::LogLine& line : log.lines) {
    lines.push_back({std::string{line.framed ? line.time : kUnframedTime}, line.text.size()});
    out.payload += line.text;
  }
  out.body["lines"] = std::move(lines);
  return out;
}

Result<StoreReply> on_log_size(const Json& request, const std::string&, WallTime) {
  const TaskPlace place = HR_TRY(task_of(request));
  const BackendPtr data = HR_TRY(data_of(request));
  const int attempt = HR_TRY(attempt_needed(request));
  const logs::Stream stream = HR_TRY(stream_of(request));
  StoreReply out = reply();
  out.body["size"] = HR_TRY(logs::log_size(*data, place.key, attempt, stream));
  return out;
}

Result<StoreReply> on_scrub_logs(const Json& request, const std::string&, WallTime) {
  const TaskPlace place = HR_TRY(task_of(request));
  const BackendPtr data = HR_TRY(data_of(request));
  const int attempt = HR_TRY(attempt_needed(request));
  const logs::Stream stream = HR_TRY(stream_of(request));
  if (!HR_TRY(codec::find_bool(request, "force")).value_or(false)) {
    const auto states = HR_TRY(store::attempts(*data, place.flow, place.task));
    const bool done = std::any_of(states.begin(), states.end(),
                                  [&](const store::AttemptState& state) { return state.attempt == attempt && state.done; });
    if (!done) {
      return Error{.kind = Kind::misuse,
                   .what = fmt::format("attempt {} of {}/{} is not done", attempt, place.flow.str(), place.task.str()),
                   .where = {},
                   .why = "its task may still write to these logs",
                   .next = "wait for it, or scrub anyway with --include-not-done"};
    }
  }
  StoreReply out = reply();
  out.body["scrubbed"] = HR_TRY(logs::scrub_log(*data, place.key, attempt, stream));
  return out;
}

/// Cards of a task, below the card root: FLOW/runs/RUN/steps/STEP/tasks/TASK.
Result<std::string> cards_of(const Json& request) {
  const TaskPlace place = HR_TRY(task_of(request));
  return fmt::format("{}/runs/{}/steps/{}/tasks/{}", place.flow.str(), place.task.run.str(), place.task.step.str(),
                     place.task.task.str());
}

/// `NAME.html` is in `cards/`, `runtime/NAME` beside it.
Result<std::string> card_file(const Json& request) {
  const std::string file = HR_TRY(codec::get_string(request, "file"));
  constexpr std::string_view kRuntime = "runtime/";
  const bool runtime = file.starts_with(kRuntime);
  const std::string_view name = std::string_view{file}.substr(runtime ? kRuntime.size() : 0);
  if (!store::is_plain_name(name)) {
    return Error{.kind = Kind::misuse, .what = fmt::format("`{}` cannot be the file of a card", file)};
  }
  return HR_TRY(cards_of(request)) + (runtime ? "/runtime/" : "/cards/") + std::string{name};
}

Result<StoreReply> on_cards(const Json& request, const std::string&, WallTime) {
  const BackendPtr backend = HR_TRY(data_of(request));
  const std::string folder = HR_TRY(cards_of(request)) + "/cards";
  constexpr std::string_view kSuffix = ".html";
  Json cards = Json::array();
  for (const store::Backend::Entry& entry : HR_TRY(backend->list(folder))) {
    if (entry.directory || !entry.name.ends_with(kSuffix)) continue;
    const std::string_view name{entry.name.data(), entry.name.size() - kSuffix.size()};
    const auto first = name.find('-');
    const auto last = name.rfind('-');
    if (first == std::string_view::npos) continue;
    const std::string key = folder + "/" + entry.name;
    const auto size = HR_TRY(backend->size(key));
    cards.push_back({{"type", std::string{name.substr(0, first)}},
                     {"id", first == last ? Json() : Json(std::string{name.substr(first + 1, last - first - 1)})},
                     {"hash", std::string{name.substr(last + 1)}},
                     {"path", key},
                     {"size", size.value_or(0)}});
  }
  StoreReply out = reply();
  out.body["cards"] = std::move(cards);
  return out;
}

Result<StoreReply> on_card(const Json& request, const std::string&, WallTime) {
  const BackendPtr backend = HR_TRY(data_of(request));
  const std::string key = HR_TRY(card_file(request));
  StoreReply out = reply();
  out.payload = HR_TRY(backend->get(key));
  return out;
}

Result<StoreReply> on_put_card(const Json& request, const std::string& payload, WallTime) {
  const BackendPtr backend = HR_TRY(data_of(request));
  const std::string key = HR_TRY(card_file(request));
  HR_TRY(backend->put(key, payload));
  StoreReply out = reply();
  out.body["path"] = key;
  return out;
}

struct Handler {
  std::string_view op;
  Result<StoreReply> (*answer)(const Json& request, const std::string& payload, WallTime now);
};

constexpr Handler kHandlers[] = {
    {"list", on_list},
    {"get", on_get},
    {"task_metadata", on_task_metadata},
    {"manifest", on_manifest},
    {"attempts", on_attempts},
    {"latest_run", on_latest_run},
    {"load", on_load},
    {"include", on_include},
    {"logs", on_logs},
    {"log_size", on_log_size},
    {"scrub_logs", on_scrub_logs},
    {"cards", on_cards},
    {"card", on_card},
    {"put_card", on_put_card},
};

/// Lays down what the metadata folder lacks of that which is asked for, from the datastore in `copies`.
Result<void> bring(const Json& request, const std::string& op, const std::string& root, WallTime now, store::RunCopies& copies) {
  const BackendPtr meta = HR_TRY(meta_of(request));
  const BackendPtr data = HR_TRY(store::open_backend({}, root));
  const store::Path path = HR_TRY(codec::get_strings(request, "path"));
  if (path.empty()) return copies.bring_flows(*data, *meta, now);
  const FlowName flow{path[0]};
  if (path.size() > 1) return copies.bring_run(*data, *meta, flow, RunId{path[1]}, now);
  // A flow whose record is here needs the others only for its list.
  if (op == "get" && store::MetadataReader{*meta}.get(path)) return {};
  return copies.bring_runs(*data, *meta, flow, now);
}

}  // namespace

Result<StoreReply> answer_store_request(const Json& request, const std::string& payload, WallTime now, store::RunCopies& copies) {
  const std::string op = HR_TRY(codec::get_string(request, "op"));
  const auto root = HR_TRY(codec::find_string(request, "copies"));
  if (op == "tags") return change_tags(request, root, now, copies);
  if (root && (op == "list" || op == "get" || op == "task_metadata")) HR_TRY(bring(request, op, *root, now, copies));
  for (const Handler& handler : kHandlers) {
    if (handler.op == op) return handler.answer(request, payload, now);
  }
  return Error{.kind = Kind::misuse,
               .what = fmt::format("a store process cannot be asked for `{}`", op),
               .where = {},
               .why = "engine and SDK are of different versions, or the request belongs to a task",
               .next = "install both from one headrace wheel"};
}

}  // namespace headrace::cli
