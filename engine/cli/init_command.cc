#include "cli/init_command.h"

#include <chrono>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/run_stores.h"
#include "loop/unique_fd.h"
#include "run/run_values.h"
#include "wire/flow_spec.h"

namespace headrace::cli {

namespace {

Result<void> init(std::span<const std::string> arguments) {
  const auto fd = arguments.size() == 2 && arguments[0] == "--spec-fd" ? parse_descriptor(arguments[1]) : std::nullopt;
  if (!fd) {
    return Error{.kind = Kind::misuse, .what = "`headrace init` needs --spec-fd", .next = "it is started by `python flow.py init`"};
  }
  const loop::UniqueFd spec_fd(*fd);
  const wire::RunSpec spec = HR_TRY(wire::read_run_spec(spec_fd.get()));
  if (!spec.init) return Error{.kind = Kind::misuse, .what = fmt::format("`headrace init` got the spec of `{}`", to_string(spec.command))};
  const RunStores stores = HR_TRY(open_run_stores(spec.datastore_type, spec.datastore_root, spec.metadata_root));
  const auto now = std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now());
  return run::init_run(spec, *stores.data, stores.meta(), now);
}

}  // namespace

int init_command(std::span<const std::string> arguments) { return end_command(init(arguments)); }

}  // namespace headrace::cli
