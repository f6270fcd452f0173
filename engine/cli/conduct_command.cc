#include "cli/conduct_command.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/run_stores.h"
#include "console/error_block.h"
#include "console/output.h"
#include "launch/host_launcher.h"
#include "loop/event_loop.h"
#include "loop/signals.h"
#include "loop/worker_pool.h"
#include "run/driver.h"
#include "store/open_backend.h"
#include "store/run_copy.h"
#include "wire/flow_spec.h"

namespace headrace::cli {

namespace {

struct Options {
  int spec_fd = -1;
  int host_fd = -1;
};

Result<Options> parse(std::span<const std::string> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    int* target = arguments[i] == "--spec-fd" ? &options.spec_fd : arguments[i] == "--host-fd" ? &options.host_fd : nullptr;
    const auto fd = target && i + 1 < arguments.size() ? parse_descriptor(arguments[i + 1]) : std::nullopt;
    if (fd) *target = *fd;
    if (!fd) {
      return Error{.kind = Kind::misuse,
                   .what = fmt::format("`headrace conduct` does not understand `{}`", arguments[i]),
                   .next = "it is started by `python flow.py run`"};
    }
  }
  if (options.spec_fd < 0 || options.host_fd < 0) {
    return Error{.kind = Kind::misuse,
                 .what = "`headrace conduct` needs --spec-fd and --host-fd",
                 .next = "it is started by `python flow.py run`"};
  }
  return options;
}

/// Every running task needs five descriptors here; the usual soft limit of 1024 would do for 200. Tasks are started by the host
/// and keep the user's limit.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1 << 16);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The datastores of one run.
struct Datastores {
  RunStores run;
  std::unique_ptr<store::CopyingBackend> copy;  ///< over the metadata, where the datastore can be read from elsewhere
  std::unique_ptr<store::Backend> input_data;  ///< spin: where the inputs are
};

Result<Datastores> open_datastores(const wire::RunSpec& spec) {
  Datastores opened;
  opened.run = HR_TRY(open_run_stores(spec.datastore_type, spec.datastore_root, spec.metadata_root));
  if (opened.run.other_meta && spec.datastore_type == store::kS3Type) {
    opened.copy = std::make_unique<store::CopyingBackend>(opened.run.meta(), *opened.run.data, FlowName(spec.flow));
  }
  if (spec.spin) opened.input_data = HR_TRY(store::open_backend({}, spec.spin->input_root));
  return opened;
}

int conduct(Options options, console::Output& out, console::Output& err) {
  loop::UniqueFd spec_fd(options.spec_fd);
  loop::UniqueFd host_fd(options.host_fd);
  auto spec = wire::read_run_spec(spec_fd.get());
  spec_fd.reset();
  auto stores = spec ? open_datastores(*spec) : Result<Datastores>(spec.error());
  if (!stores) {
    console::error_block(err, stores.error());
    return 1;
  }
  loop::EventLoop event_loop;
  Random random(std::random_device{}());
  loop::WorkerPool pool(event_loop, store::pool_threads(spec->datastore_type));
  launch::HostLauncher launcher(event_loop, std::move(host_fd));
  Cluster cluster;
  if (!spec->pods.empty() && !spec->spin) {
    auto opened = open_cluster(event_loop, pool, err);
    if (!opened) {
      console::error_block(err, opened.error());
      return 1;
    }
    cluster = std::move(*opened);
  }
  run::Driver driver(run::Parts{.loop = event_loop,
                                .pool = pool,
                                .data = *stores->run.data,
                                .meta = stores->copy ? *stores->copy : stores->run.meta(),
                                .launcher = launcher,
                                .out = out,
                                .err = err,
                                .random = random,
                                .input_data = stores->input_data.get(),
                                .pods = cluster.launcher.get(),
                                .copy = stores->copy.get(),
                                .start_lease = cluster.start_lease},
                     std::move(*spec));
  const int code = event_loop.block_on(driver.run());
  if (driver.left()) {
    // Something still waits for the cluster, and nobody will hear of it: its parts must not be taken down under it.
    out.drain(2s);
    err.drain(2s);
    std::_Exit(code);
  }
  return code;
}

}  // namespace

int conduct_command(std::span<const std::string> arguments) {
  // What Python ignores or blocks stays so over exec.
  loop::reset_signals(loop::kEndings);
  raise_descriptor_limit();
  console::Output out(1);
  console::Output err(2);
  auto options = parse(arguments);
  int code = 2;
  if (options) {
    code = conduct(*options, out, err);
  } else {
    console::error_block(err, options.error());
  }
  out.drain(2s);
  err.drain(2s);
  return code;
}

}  // namespace headrace::cli
