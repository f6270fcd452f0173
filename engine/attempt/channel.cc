#include "attempt/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::attempt {

Channel::Channel(Session& session, loop::StreamSocket socket, pid_t pid)
    : session_(session),
      socket_(std::move(socket)),
      pid_(pid),
      requests_(session.services_.loop),
      answered_(session.services_.loop) {}

loop::Async<void> Channel::serve() {
  while (true) {
    while (requests_.size() >= kInFlightMax) co_await answered_.wait();
    auto frame = co_await wire::read_frame(socket_, Session::kPayloadBytesMax);
    if (!frame) break;
    requests_.spawn(answer(std::move(*frame)));
  }
  socket_.close();
  co_await requests_.wait();
}

loop::Async<void> Channel::answer(wire::Frame frame) {
  std::uint64_t id = frame.id;
  auto reply = co_await handle(std::move(frame));
  std::string text = !reply ? codec::dump_json(wire::error_body(reply.error())) : reply->text.empty() ? codec::dump_json(reply->body) : std::move(reply->text);
  std::string payload = reply ? std::move(reply->payload) : std::string();
  // A process that no longer listens has ended; its exit tells the rest.
  auto written = co_await wire::write_frame_text(socket_, id, std::move(text), std::move(payload));
  if (!written) socket_.close();
  answered_.notify();
}

Channel::Answer Channel::handle(wire::Frame frame) {
  auto request = wire::parse_attempt_request(frame.body);
  if (!request) co_return std::move(request).error();
  Answer pending = std::visit([&](auto& message) { return on(std::move(message), std::move(frame.payload)); }, *request);
  auto reply = co_await std::move(pending);
  if (!reply) co_return session_.noted(std::move(reply).error());
  co_return std::move(*reply);
}

Channel::Answer Channel::on(wire::BeginRequest, std::string) {
  auto begun = co_await session_.ensure_begun();
  if (!begun) co_return std::move(begun).error();
  const Assignment& task = session_.assignment_;
  const RunFacts& facts = session_.services_.facts;
  auto parameters = co_await session_.input_manifest(std::nullopt);
  if (!parameters) co_return std::move(parameters).error();
  std::string manifest = "null";
  Ahead ahead;
  if (!task.join && !task.inputs.empty()) {
    auto input = co_await session_.input_manifest(0);
    if (!input) co_return std::move(input).error();
    manifest = (*input)->wire();
    ahead = co_await load_ahead(*input);
    add_shared((*parameters)->manifest, ahead);
  }
  wire::BeginAnswer answer{
      .flow = facts.identity.flow.str(),
      .run_id = task.path.task.run.str(),
      .step = task.path.task.step.str(),
      .task_id = task.path.task.task.str(),
      .attempt = task.path.attempt,
      .max_user_code_retries = task.max_user_code_retries,
      .split_index = task.split_index,
      .join = task.join,
      .inputs = {},
      .manifest = {},
      .parameters = {},
      .ubf = task.part,
      .num_parallel = task.num_parallel,
      .node_index = task.node_index,
      .control_task = task.control_task,
      .origin_run_id = facts.origin_run,
      .user = facts.identity.user,
      .namespace_ = facts.space,
      .tags = facts.identity.tags,
      .sys_tags = facts.identity.system_tags,
      .datastore_type = facts.identity.datastore_type,
      .datastore_root = facts.identity.datastore_root,
      .metadata_root = facts.metadata_root,
  };
  answer.inputs.reserve(task.inputs.size());
  for (const TaskPath& input : task.inputs) answer.inputs.push_back(input.str());
  // The manifests are texts already; they may be large, and the children of a foreach all get the same.
  codec::Json body = wire::to_json(answer);
  body.erase("manifest");
  body.erase("parameters");
  Reply reply;
  reply.text = codec::dump_json(body);
  reply.text.pop_back();
  reply.text += ",\"ahead\":[" + ahead.list + "],\"manifest\":" + manifest + ",\"parameters\":" + (*parameters)->wire() + "}";
  reply.payload = std::move(ahead.payload);
  co_return reply;
}

Channel::Answer Channel::on(wire::ManifestRequest request, std::string) {
  const std::vector<TaskPath>& inputs = session_.assignment_.inputs;
  if (request.input >= inputs.size() || request.count == 0) {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("the task has {} inputs; {} from number {} on were asked for", inputs.size(),
                                        request.count, request.input)};
  }
  std::uint64_t count = std::min({request.count, inputs.size() - request.input, kManifestsMax});
  auto first = inputs.begin() + static_cast<std::ptrdiff_t>(request.input);
  std::vector<TaskPath> wanted(first, first + static_cast<std::ptrdiff_t>(count));
  auto manifests = co_await session_.services_.manifests.get_all(std::move(wanted));
  if (!manifests) co_return std::move(manifests).error();
  Reply reply;
  reply.text = "{\"ok\":true,\"manifests\":[";
  for (const ManifestPtr& manifest : *manifests) {
    // The task asks for the others.
    if (reply.text.back() == ',' && reply.text.size() + manifest->wire().size() > kManifestsBytesMax) break;
    reply.text += manifest->wire() + ",";
  }
  reply.text.back() = ']';
  reply.text += "}";
  co_return reply;
}

Channel::Answer Channel::on(wire::MetadataRequest request, std::string) {
  auto begun = co_await session_.ensure_begun();
  if (!begun) co_return std::move(begun).error();
  std::vector<store::Field> fields;
  for (wire::MetadataField& field : request.fields) {
    fields.push_back(store::Field{.name = std::move(field.field),
                                  .type = std::move(field.type),
                                  .value = std::move(field.value),
                                  .tags = std::move(field.tags)});
  }
  const Services& services = session_.services_;
  auto store_fields = [&records = services.records, path = session_.assignment_.path, fields = std::move(fields),
       now = services.loop.wall_now()] { return records.add_fields(path, fields, now); };
  auto stored = co_await services.pool.run(store_fields);
  if (!stored) co_return std::move(stored).error();
  co_return Reply{.body = wire::ok_body(), .payload = {}, .text = {}};
}

Channel::Answer Channel::on(wire::FinishRequest request, std::string payload) {
  auto committed = co_await session_.commit(std::move(request), std::move(payload));
  if (!committed) co_return std::move(committed).error();
  co_return Reply{.body = wire::ok_body(), .payload = {}, .text = {}};
}

Channel::Answer Channel::on(wire::StartWorkersRequest request, std::string) {
  if (!session_.workers_) {
    co_return Error{.kind = Kind::misuse,
                    .what = "only the control task of a @parallel step can start workers",
                    .where = session_.assignment_.path.task.str()};
  }
  auto tasks = co_await session_.workers_->start(static_cast<std::int64_t>(request.count));
  if (!tasks) co_return std::move(tasks).error();
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["tasks"] = codec::Json::array();
  for (const TaskPath& task : *tasks) reply.body["tasks"].push_back(task.str());
  co_return reply;
}

Channel::Answer Channel::on(wire::WaitWorkersRequest, std::string) {
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["failed"] = codec::Json::array();
  if (session_.workers_) {
    auto failed = co_await session_.workers_->wait();
    for (const TaskPath& task : failed) reply.body["failed"].push_back(task.str());
  }
  co_return reply;
}

}  // namespace headrace::attempt
