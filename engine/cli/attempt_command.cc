#include "cli/attempt_command.h"

#include <unistd.h>

#include <csignal>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/assignment.h"
#include "agent/other_nodes.h"
#include "attempt/session.h"
#include "cli/command.h"
#include "cli/run_stores.h"
#include "loop/datagram_socket.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"
#include "store/origin.h"
#include "wire/agent_spec.h"
#include "wire/memory_file.h"

namespace headrace::cli {

namespace {

struct Options {
  std::string metadata_root;
  std::optional<int> door_fd;
  std::optional<TaskPath> clone_of;
};

Result<Options> parse(std::span<const std::string> arguments) {
  const auto misuse = [](std::string what) {
    return Error{.kind = Kind::misuse, .what = std::move(what), .next = "it is started by `python flow.py step`"};
  };
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) return misuse(fmt::format("`{}` has no value", name));
    const std::string& value = arguments[i + 1];
    if (name == "--metadata-root") {
      options.metadata_root = value;
    } else if (name == "--door-fd") {
      options.door_fd = parse_descriptor(value);
      if (!options.door_fd) return misuse(fmt::format("`{}` is no descriptor", value));
    } else if (name == "--clone-of") {
      options.clone_of = parse_task_path(value);
      if (!options.clone_of) return misuse(fmt::format("`{}` names no task: a task is RUN/STEP/TASK", value));
    } else {
      return misuse(fmt::format("`headrace attempt` does not understand `{}`", name));
    }
  }
  if (options.metadata_root.empty() || options.door_fd.has_value() == options.clone_of.has_value()) {
    return misuse("`headrace attempt` needs --metadata-root, and --door-fd or --clone-of");
  }
  return options;
}

Result<wire::AgentSpec> read_spec() {
  const std::string text = HR_TRY(wire::read_memory_file(STDIN_FILENO, "the spec of the attempt"));
  return wire::parse_agent_spec(text);
}

Result<void> clone(const RunStores& stores, const attempt::RunFacts& facts, const TaskPath& task, const TaskPath& origin, WallTime now) {
  const FlowName& flow = facts.identity.flow;
  // The newest attempt that was committed, as for a resume.
  for (int attempt = kAttemptsMax - 1; attempt >= 0; --attempt) {
    const auto committed = HR_TRY(store::read_committed(*stores.data, flow, {.task = origin, .attempt = attempt}));
    if (!committed) continue;
    if (!committed->ok) break;
    store::RunRecords records(*stores.data, stores.meta(), facts.identity);
    return records.clone(task, origin, committed->manifest, facts.fields, now);
  }
  return Error{.kind = Kind::missing,
               .what = fmt::format("task `{}` cannot be cloned", origin.str()),
               .where = flow.str(),
               .why = "it has not ended successfully, or there is none of this name",
               .next = "check --clone-only and --datastore-root"};
}

loop::Async<Result<void>> work(loop::EventLoop& loop, loop::WorkerPool& pool, const RunStores& stores, const attempt::RunFacts& facts,
                               attempt::Assignment assignment, Options options) {
  auto register_work = [&stores, &facts, now = loop.wall_now()] {
    return store::RunRecords::register_run(stores.meta(), facts.identity, now);
  };
  auto registered = co_await pool.run(register_work);
  if (!registered) co_return registered;
  if (options.clone_of) {
    auto clone_work = [&stores, &facts, task = assignment.path.task, origin = *options.clone_of, now = loop.wall_now()] {
      return clone(stores, facts, task, origin, now);
    };
    co_return co_await pool.run(clone_work);
  }
  store::RunRecords records(*stores.data, stores.meta(), facts.identity);
  store::BlobStore blobs(*stores.data, facts.identity.flow);
  attempt::ManifestCache manifests(pool, *stores.data, facts.identity.flow);
  attempt::BlobCache small_blobs;
  agent::OtherNodes nodes(assignment, std::nullopt);
  attempt::Session session(attempt::Services{.loop = loop,
                                             .pool = pool,
                                             .records = records,
                                             .blobs = blobs,
                                             .manifests = manifests,
                                             .small_blobs = small_blobs,
                                             .facts = facts,
                                             .origin_blobs = nullptr},
                           assignment, assignment.part == attempt::Part::control ? &nodes : nullptr);
  co_await session.serve(loop::DatagramSocket(loop, loop::UniqueFd(*options.door_fd)));
  co_return Result<void>{};
}

Result<void> run(std::span<const std::string> arguments) {
  Options options = HR_TRY(parse(arguments));
  const wire::AgentSpec spec = HR_TRY(read_spec());
  const RunStores stores = HR_TRY(open_run_stores(spec.datastore_type, spec.datastore_root, options.metadata_root));
  const attempt::RunFacts facts = agent::facts_of(spec, spec.sys_version, options.metadata_root);
  attempt::Assignment assignment = agent::assignment_of(spec);
  // Each task has the run's parameters among its artifacts; which task of `_parameters` they came from, nobody has said.
  if (!assignment.inputs.empty()) assignment.parameters = assignment.inputs.front();
  loop::EventLoop loop;
  loop::WorkerPool pool(loop, store::pool_threads(spec.datastore_type));
  return loop.block_on(work(loop, pool, stores, facts, std::move(assignment), std::move(options)));
}

}  // namespace

int attempt_command(std::span<const std::string> arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  return end_command(run(arguments));
}

}  // namespace headrace::cli
