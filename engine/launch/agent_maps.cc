#include "launch/agent_maps.h"

#include <malloc.h>

#include <charconv>

#include <fmt/format.h>

#include "codec/base64.h"
#include "codec/gzip.h"
#include "codec/sha1.h"
#include "loop/task_group.h"

namespace headrace::launch {

namespace {

using codec::Json;

constexpr std::size_t kHashDigits = 16;
constexpr std::size_t kPartsMax = 64;

std::string maps_path(const std::string& ns) { return fmt::format("/api/v1/namespaces/{}/configmaps", ns); }

Json config_map(const std::string& ns, const std::string& name, const std::string& sha1) {
  Json labels{{"app.kubernetes.io/name", "headrace-agent"}, {"app.kubernetes.io/part-of", "metaflow"}, {kAgentLabel, sha1}};
  return Json{{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata", {{"name", name}, {"namespace", ns}, {"labels", labels}}},
              {"immutable", true}};
}

/// The number of parts that an index tells; 0 if it tells none.
std::size_t parts_in(const Json& index) {
  if (!index.is_object() || !index.contains("data")) return 0;
  auto text = codec::find_string(index["data"], "parts");
  if (!text || !*text) return 0;
  std::size_t parts = 0;
  std::from_chars((*text)->data(), (*text)->data() + (*text)->size(), parts);
  return parts > kPartsMax ? 0 : parts;
}

AgentMaps maps_of(const AgentFile& agent, std::size_t parts) {
  AgentMaps maps{.sha1 = agent.sha1, .architecture = agent.architecture};
  for (std::size_t i = 0; i < parts; ++i) maps.names.push_back(agent_map_name(agent.sha1, i));
  return maps;
}

/// Blocks.
Result<std::vector<Json>> part_maps(const AgentFile& agent, const std::string& ns) {
  const AgentBinary binary = HR_TRY(read_agent_binary(agent.file));
  if (codec::sha1_hex(binary.bytes) != agent.sha1) {
    return Error{.kind = Kind::failed,
                 .what = "the agent cannot be stored in namespace " + ns,
                 .why = "the file of the engine has changed since this run began",
                 .next = "start or `resume` the run again"};
  }
  std::vector<Json> maps;
  for (const std::string& part : agent_parts(binary.bytes)) maps.push_back(agent_part_map(ns, agent.sha1, maps.size(), part));
  if (maps.size() <= kPartsMax) return maps;
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the agent is too large for a pod: {} bytes", binary.bytes.size()),
               .next = "strip the executable, or use the one of the preset `release`"};
}

/// Posts it; that it exists is as good, since its name says what is in it.
loop::Async<Result<void>> create_map(kube::Client& client, std::string ns, Json map) {
  kube::Call call;
  call.method = "POST";
  call.path = maps_path(ns);
  call.body = std::move(map);
  auto answer = co_await client.call(call);
  if (!answer) co_return std::move(answer).error().at("storing the agent in namespace " + ns);
  if (!answer->ok() && answer->reason() != "AlreadyExists") {
    co_return kube::refusal(call, *answer, client.access()).at("storing the agent in namespace " + ns);
  }
  co_return Result<void>{};
}

loop::Async<void> create_part(kube::Client& client, std::string ns, Json map, std::optional<Error>& failure) {
  auto made = co_await create_map(client, std::move(ns), std::move(map));
  if (!made && !failure) failure = std::move(made).error();
}

}  // namespace

loop::Async<Result<std::shared_ptr<const AgentFile>>> load_agent(loop::WorkerPool& pool, std::string file) {
  auto work = [file]() -> Result<std::shared_ptr<const AgentFile>> {
    AgentBinary binary = HR_TRY(read_agent_binary(file));
    AgentFile agent{.file = file, .architecture = std::move(binary.architecture), .sha1 = codec::sha1_hex(binary.bytes)};
    return std::make_shared<const AgentFile>(std::move(agent));
  };
  auto loaded = co_await pool.run(work);
  co_return loaded;
}

std::vector<std::string> agent_parts(std::string_view executable) {
  const std::string packed = codec::gzip(executable);
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < packed.size(); at += kAgentPartBytes) parts.push_back(packed.substr(at, kAgentPartBytes));
  return parts;
}

std::string agent_map_name(const std::string& sha1, std::size_t part) {
  return fmt::format("hr-agent-{}-{}", sha1.substr(0, kHashDigits), part);
}

std::string agent_index_name(const std::string& sha1) { return fmt::format("hr-agent-{}", sha1.substr(0, kHashDigits)); }

codec::Json agent_part_map(const std::string& ns, const std::string& sha1, std::size_t part, std::string_view bytes) {
  Json map = config_map(ns, agent_map_name(sha1, part), sha1);
  map["binaryData"] = Json{{kAgentPartKey, codec::to_base64(bytes)}};
  return map;
}

codec::Json agent_index_map(const std::string& ns, const std::string& sha1, std::size_t parts) {
  Json map = config_map(ns, agent_index_name(sha1), sha1);
  map["data"] = Json{{"parts", std::to_string(parts)}, {"sha1", sha1}};
  return map;
}

loop::Async<Result<AgentMaps>> ensure_agent_maps(loop::EventLoop& loop, kube::Client& client, loop::WorkerPool& pool,
                                                 std::string ns, std::shared_ptr<const AgentFile> agent, bool again) {
  kube::Call look;
  look.path = maps_path(ns) + "/" + agent_index_name(agent->sha1);
  auto index = co_await client.call(look);
  if (!index) co_return std::move(index).error().at("looking for the agent in namespace " + ns);
  if (!index->ok() && index->status != 404) {
    co_return kube::refusal(look, *index, client.access()).at("looking for the agent in namespace " + ns);
  }
  if (const std::size_t there = index->ok() ? parts_in(index->body) : 0; there > 0 && !again) co_return maps_of(*agent, there);

  auto work = [agent, ns] { return part_maps(*agent, ns); };
  auto maps = co_await pool.run(work);
  if (!maps) co_return std::move(maps).error();
  const std::size_t parts = maps->size();
  std::optional<Error> failure;
  loop::TaskGroup posting(loop);
  for (Json& map : *maps) posting.spawn(create_part(client, ns, std::move(map), failure));
  co_await posting.wait();
  maps->clear();
  ::malloc_trim(0);  // 80 MB, which the allocator would keep as long as the run lasts.
  if (failure) co_return *std::move(failure);
  auto made = co_await create_map(client, ns, agent_index_map(ns, agent->sha1, parts));
  if (!made) co_return std::move(made).error();
  co_return maps_of(*agent, parts);
}

}  // namespace headrace::launch
