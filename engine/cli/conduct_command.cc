#include "cli/conduct_command.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "console/error_block.h"
#include "console/output.h"
#include "launch/host_launcher.h"
#include "loop/event_loop.h"
#include "loop/signals.h"
#include "loop/worker_pool.h"
#include "run/driver.h"
#include "store/directory_backend.h"
#include "wire/flow_spec.h"

namespace headrace::cli {

namespace {

/// Files of tasks are small and many: two threads write them as fast as one disk takes them.
constexpr unsigned kPoolThreads = 2;

struct Options {
  int spec_fd = -1;
  int host_fd = -1;
};

Result<Options> parse(std::span<const std::string> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    int* target = arguments[i] == "--spec-fd" ? &options.spec_fd : arguments[i] == "--host-fd" ? &options.host_fd : nullptr;
    bool ok = target && i + 1 < arguments.size();
    if (ok) {
      const std::string& text = arguments[i + 1];
      ok = std::from_chars(text.data(), text.data() + text.size(), *target).ptr == text.data() + text.size() && *target >= 0;
    }
    if (!ok) {
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

Result<void> check_datastore(const wire::RunSpec& spec) {
  if (spec.datastore_type == "local" || spec.datastore_type == "spin") return {};
  return Error{.kind = Kind::misuse,
               .what = fmt::format("the datastore `{}` cannot be used yet", spec.datastore_type),
               .why = "this version of Headrace stores runs in a local directory only",
               .next = "run with `--datastore local`"};
}

int conduct(Options options, console::Output& out, console::Output& err) {
  loop::UniqueFd spec_fd(options.spec_fd);
  loop::UniqueFd host_fd(options.host_fd);
  auto spec = wire::read_run_spec(spec_fd.get());
  spec_fd.reset();
  auto usable = spec ? check_datastore(*spec) : Result<void>(spec.error());
  if (!usable) {
    console::error_block(err, usable.error());
    return 1;
  }
  loop::EventLoop event_loop;
  store::DirectoryBackend data(spec->datastore_root);
  std::unique_ptr<store::DirectoryBackend> meta;
  if (spec->metadata_root != spec->datastore_root) meta = std::make_unique<store::DirectoryBackend>(spec->metadata_root);
  std::unique_ptr<store::DirectoryBackend> input_data;
  if (spec->spin) input_data = std::make_unique<store::DirectoryBackend>(spec->spin->input_root);
  Random random(std::random_device{}());
  loop::WorkerPool pool(event_loop, kPoolThreads);
  launch::HostLauncher launcher(event_loop, std::move(host_fd));
  run::Driver driver(run::Parts{.loop = event_loop,
                                .pool = pool,
                                .data = data,
                                .meta = meta ? *meta : data,
                                .launcher = launcher,
                                .out = out,
                                .err = err,
                                .random = random,
                                .input_data = input_data.get()},
                     std::move(*spec));
  return event_loop.block_on(driver.run());
}

}  // namespace

int conduct_command(std::span<const std::string> arguments) {
  // What Python ignores or blocks stays so over exec.
  loop::reset_signals();
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
