#include "cli/init_command.h"

#include <charconv>
#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "console/error_block.h"
#include "console/output.h"
#include "loop/unique_fd.h"
#include "run/run_values.h"
#include "store/open_backend.h"
#include "wire/flow_spec.h"

namespace headrace::cli {

namespace {

Result<int> parse(std::span<const std::string> arguments) {
  int fd = -1;
  bool ok = arguments.size() == 2 && arguments[0] == "--spec-fd";
  if (ok) {
    const std::string& text = arguments[1];
    ok = std::from_chars(text.data(), text.data() + text.size(), fd).ptr == text.data() + text.size() && fd >= 0;
  }
  if (ok) return fd;
  return Error{.kind = Kind::misuse, .what = "`headrace init` needs --spec-fd", .next = "it is started by `python flow.py init`"};
}

Result<void> init(std::span<const std::string> arguments) {
  const loop::UniqueFd fd(HR_TRY(parse(arguments)));
  const wire::RunSpec spec = HR_TRY(wire::read_run_spec(fd.get()));
  if (!spec.init) return Error{.kind = Kind::misuse, .what = fmt::format("`headrace init` got the spec of `{}`", to_string(spec.command))};
  const auto data = HR_TRY(store::open_backend(spec.datastore_type, spec.datastore_root));
  std::unique_ptr<store::Backend> meta;
  if (spec.metadata_root != spec.datastore_root) meta = HR_TRY(store::open_backend(store::kLocalType, spec.metadata_root));
  return run::init_run(spec, *data, meta ? *meta : *data, std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now()));
}

}  // namespace

int init_command(std::span<const std::string> arguments) {
  const auto done = init(arguments);
  if (done) return 0;
  console::Output err(2);
  console::error_block(err, done.error());
  err.drain(2s);
  return 1;
}

}  // namespace headrace::cli
