#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "kube/client.h"
#include "launch/agent_binary.h"
#include "launch/pod_manifest.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"

/// The agent as immutable config maps of a namespace, named by its hash: made once, shared by all runs of that version, and read
/// by pods that have neither a registry nor a network path to the launcher.
namespace headrace::launch {

/// Below the 1 MiB that the content of one config map may have.
inline constexpr std::size_t kAgentPartBytes = 1'000'000;

/// The agent: which file it is. Its bytes are read again when a namespace needs them, since a run lives long and most find them there.
struct AgentFile {
  std::string file;  ///< as in read_agent_binary
  std::string architecture;
  std::string sha1;
};
/// Reads and checks it on the pool.
[[nodiscard]] loop::Async<Result<std::shared_ptr<const AgentFile>>> load_agent(loop::WorkerPool& pool, std::string file);

/// Pieces of one gzip member, in order.
[[nodiscard]] std::vector<std::string> agent_parts(std::string_view executable);
/// `hr-agent-<16 digits of the hash>-<part>`.
[[nodiscard]] std::string agent_map_name(const std::string& sha1, std::size_t part);
[[nodiscard]] codec::Json agent_part_map(const std::string& ns, const std::string& sha1, std::size_t part, std::string_view bytes);
/// The index, without a number in its name, says how many parts there are; it is made when all of them exist.
[[nodiscard]] std::string agent_index_name(const std::string& sha1);
[[nodiscard]] codec::Json agent_index_map(const std::string& ns, const std::string& sha1, std::size_t parts);

/// Makes them unless they are there; several launchers may do so at once. The parts are sent together, the index after them.
/// `again`: even if the index says that they are there. Errors as kube::refusal, or that the file has changed.
[[nodiscard]] loop::Async<Result<AgentMaps>> ensure_agent_maps(loop::EventLoop& loop, kube::Client& client, loop::WorkerPool& pool,
                                                               std::string ns, std::shared_ptr<const AgentFile> agent, bool again = false);

}  // namespace headrace::launch
