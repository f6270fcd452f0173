#include "cli/attempt_command.h"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/assignment.h"
#include "attempt/session.h"
#include "console/error_block.h"
#include "console/output.h"
#include "loop/datagram_socket.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"
#include "store/open_backend.h"
#include "store/origin.h"
#include "wire/agent_spec.h"

namespace headrace::cli {

namespace {

struct Options {
  std::string metadata_root;
  int door_fd = -1;
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
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), options.door_fd);
      if (parsed.ptr != value.data() + value.size() || options.door_fd < 0) return misuse(fmt::format("`{}` is no descriptor", value));
    } else if (name == "--clone-of") {
      options.clone_of = parse_task_path(value);
      if (!options.clone_of) return misuse(fmt::format("`{}` names no task: a task is RUN/STEP/TASK", value));
    } else {
      return misuse(fmt::format("`headrace attempt` does not understand `{}`", name));
    }
  }
  if (options.metadata_root.empty() || (options.door_fd >= 0) == options.clone_of.has_value()) {
    return misuse("`headrace attempt` needs --metadata-root, and --door-fd or --clone-of");
  }
  return options;
}

Result<wire::AgentSpec> read_spec() {
  const std::string text = HR_TRY(wire::spec_text_from([](const std::string& name) -> const char* { return std::getenv(name.c_str()); }));
  return wire::parse_agent_spec(text);
}

/// The other nodes of a @parallel step, for its control task: who runs this one runs them too, under these names.
class NamedNodes final : public attempt::Workers {
 public:
  explicit NamedNodes(const attempt::Assignment& control) : control_(control) {}

  loop::Async<Result<std::vector<TaskPath>>> start(std::int64_t count) override {
    std::vector<TaskPath> paths;
    for (std::int64_t node = 1; node <= count; ++node) paths.push_back(attempt::worker_of(control_, node).path.task);
    co_return paths;
  }
  loop::Async<std::vector<TaskPath>> wait() override { co_return std::vector<TaskPath>{}; }

 private:
  const attempt::Assignment& control_;
};

/// Where the attempt's records go, and what they have in common.
struct Place {
  std::unique_ptr<store::Backend> data;
  std::unique_ptr<store::Backend> other_meta;  ///< null: `data` is that too
  attempt::RunFacts facts;

  [[nodiscard]] store::Backend& meta() const { return other_meta ? *other_meta : *data; }
};

Result<Place> open_place(const wire::AgentSpec& spec, const std::string& metadata_root) {
  Place place{.data = HR_TRY(store::open_backend(spec.datastore_type, spec.datastore_root)),
              .other_meta = nullptr,
              .facts = agent::facts_of(spec, spec.sys_version, metadata_root)};
  if (metadata_root != spec.datastore_root) place.other_meta = HR_TRY(store::open_backend(store::kLocalType, metadata_root));
  return place;
}

Result<void> clone(const Place& place, const attempt::Assignment& assignment, const TaskPath& origin, WallTime now) {
  const FlowName& flow = place.facts.identity.flow;
  // The newest attempt that was committed, as for a resume.
  for (int attempt = kAttemptsMax - 1; attempt >= 0; --attempt) {
    const auto committed = HR_TRY(store::read_committed(*place.data, flow, {.task = origin, .attempt = attempt}));
    if (!committed) continue;
    if (!committed->ok) break;
    store::RunRecords records(*place.data, place.meta(), place.facts.identity);
    return records.clone(assignment.path.task, origin, committed->manifest, place.facts.fields, now);
  }
  return Error{.kind = Kind::missing,
               .what = fmt::format("task `{}` cannot be cloned", origin.str()),
               .where = flow.str(),
               .why = "it has not ended successfully, or there is none of this name",
               .next = "check --clone-only and --datastore-root"};
}

loop::Async<Result<void>> work(loop::EventLoop& loop, loop::WorkerPool& pool, const Place& place, attempt::Assignment assignment,
                               Options options) {
  auto register_work = [&place, now = loop.wall_now()] {
    return store::RunRecords::register_run(place.meta(), place.facts.identity, now);
  };
  auto registered = co_await pool.run(register_work);
  if (!registered) co_return registered;
  if (options.clone_of) {
    auto clone_work = [&place, &assignment, &options, now = loop.wall_now()] { return clone(place, assignment, *options.clone_of, now); };
    co_return co_await pool.run(clone_work);
  }
  store::RunRecords records(*place.data, place.meta(), place.facts.identity);
  store::BlobStore blobs(*place.data, place.facts.identity.flow);
  attempt::ManifestCache manifests(pool, *place.data, place.facts.identity.flow);
  attempt::BlobCache small_blobs;
  NamedNodes nodes(assignment);
  attempt::Session session(attempt::Services{.loop = loop,
                                             .pool = pool,
                                             .records = records,
                                             .blobs = blobs,
                                             .manifests = manifests,
                                             .small_blobs = small_blobs,
                                             .facts = place.facts,
                                             .origin_blobs = nullptr},
                           assignment, assignment.part == attempt::Part::control ? &nodes : nullptr);
  co_await session.serve(loop::DatagramSocket(loop, loop::UniqueFd(options.door_fd)));
  co_return Result<void>{};
}

Result<void> run(std::span<const std::string> arguments) {
  Options options = HR_TRY(parse(arguments));
  const wire::AgentSpec spec = HR_TRY(read_spec());
  const Place place = HR_TRY(open_place(spec, options.metadata_root));
  attempt::Assignment assignment = agent::assignment_of(spec);
  // Each task has the run's parameters among its artifacts; which task of `_parameters` they came from, nobody has said.
  if (!assignment.inputs.empty()) assignment.parameters = assignment.inputs.front();
  loop::EventLoop loop;
  loop::WorkerPool pool(loop, store::pool_threads(spec.datastore_type));
  return loop.block_on(work(loop, pool, place, std::move(assignment), std::move(options)));
}

}  // namespace

int attempt_command(std::span<const std::string> arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  const auto done = run(arguments);
  if (done) return 0;
  console::Output err(2);
  console::error_block(err, done.error());
  err.drain(2s);
  return 1;
}

}  // namespace headrace::cli
