#include "run/testing/pod_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "codec/json.h"
#include "store/blob_store.h"
#include "store/run_records.h"

namespace headrace::run::testing {

namespace {

using codec::Json;
using namespace std::string_view_literals;

constexpr std::string_view kTrue = "\x80\x04\x88."sv;
/// `(["end"], None)`.
constexpr std::string_view kToEnd = "\x80\x02]q\0X\3\0\0\0endq\1aN\x86q\2."sv;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

PodRun::PodRun(flow::Graph graph)
    : pods(loop),
      spec{.graph = std::move(graph)},
      data_(folder_.path() + "/data"),
      meta_(folder_.path() + "/.metaflow"),
      out_path_(folder_.path() + "/out"),
      err_path_(folder_.path() + "/err"),
      pool_(loop, 2) {
  spec.flow = "F";
  spec.script = "f.py";
  spec.user = "ann";
  spec.sys_version = "3.11.7 (main)";
  spec.datastore_type = "local";
  spec.datastore_root = folder_.path() + "/data";
  spec.metadata_root = folder_.path() + "/.metaflow";
  spec.pod_run = wire::PodRun{.environment = {{"METAFLOW_USER", "ann"}}, .command = {"f.py"}, .configs = "", .package = "the package",
                              .package_metadata = "{}"};
  for (flow::StepIndex step = 0; step < spec.graph.size(); ++step) {
    if (spec.graph.step(step).backend == flow::Backend::kubernetes) spec.pods[step].image = "python:3.11";
  }
  auto pair = loop::make_datagram_pair();
  HR_CHECK(pair.ok());
  launcher_end_ = std::move(pair->first);
  host_ = std::make_unique<loop::DatagramSocket>(loop, std::move(pair->second));
}

PodRun::~PodRun() = default;

loop::Async<void> PodRun::be_the_host() {
  const Json ready = {{"op", "ready"}, {"wire", 1}, {"pid", ::getpid()}, {"fork_safe", true}, {"reason", ""}};
  auto said = co_await host_->send(ready.dump());
  while (said) {
    auto asked = co_await host_->receive();
    if (!asked) break;
    const Json message = Json::parse(asked->bytes);
    if (message["op"] == "finish") break;
    const Json answer = {{"op", "start_failed"}, {"id", message["id"]}, {"what", "a local task"}, {"why", message["step"]}};
    said = co_await host_->send(answer.dump());
  }
  host_->close();
}

int PodRun::run() {
  loop::UniqueFd out_fd(::open(out_path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  loop::UniqueFd err_fd(::open(err_path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  console::Output out(out_fd.get());
  console::Output err(err_fd.get());
  Random random(1);
  launch::HostLauncher launcher(loop, std::move(launcher_end_));
  Driver driver(Parts{.loop = loop, .pool = pool_, .data = data_, .meta = meta_, .launcher = launcher, .out = out, .err = err,
                      .random = random, .pods = &pods},
                std::move(spec));
  loop.spawn(be_the_host());
  const int code = loop.block_on(driver.run());
  out.drain(1s);
  err.drain(1s);
  return code;
}

void PodRun::interrupt() { HR_CHECK(::kill(::getpid(), SIGINT) == 0); }

loop::Async<void> PodRun::interrupt_when_running(std::size_t count) {
  auto running = pods.until_running(count);
  co_await std::move(running);
  interrupt();
}

loop::Async<void> PodRun::interrupt_twice(std::size_t count) {
  auto first = interrupt_when_running(count);
  co_await std::move(first);
  auto removing = pods.until_removing();
  co_await std::move(removing);
  interrupt();
}

launch::PodEnd PodRun::success(std::vector<std::string> next, std::optional<std::int64_t> splits) {
  launch::PodEnd end;
  end.outcome = launch::PodOutcome::done;
  const bool has_transition = !next.empty();
  wire::AgentReport report;
  report.stage = "done";
  report.committed = wire::ReportedCommit{.ok = true, .has_transition = has_transition, .next = std::move(next), .splits = splits};
  end.report = std::move(report);
  return end;
}

launch::PodEnd PodRun::failure(launch::PodOutcome outcome, int exit_code, std::optional<Error> cause) {
  launch::PodEnd end;
  end.outcome = outcome;
  end.exit_code = exit_code;
  end.cause = std::move(cause);
  return end;
}

Result<void> PodRun::publish(const launch::PodStart& start) {
  store::DirectoryBackend elsewhere(folder_.path() + "/pod");
  store::RunIdentity identity{.flow = FlowName("F"), .run = RunId(run_id()), .user = "ann", .tags = {}, .system_tags = {}};
  store::RunRecords records(data_, elsewhere, identity);
  store::BlobStore blobs(data_, identity.flow);
  const std::size_t slash = start.label.rfind('/');
  const AttemptPath path{.task = {.run = identity.run, .step = StepName(start.step), .task = TaskId(start.label.substr(slash + 1))},
                         .attempt = start.attempt};
  store::Manifest manifest;
  for (const auto& [name, pickle] : {std::pair{"_task_ok", kTrue}, {"_transition", kToEnd}}) {
    manifest.set({.name = name, .key = HR_TRY(blobs.put(pickle)), .size = static_cast<std::int64_t>(pickle.size()),
                  .type = "", .encoding = "pickle-v4", .extra = ""});
  }
  HR_TRY(records.begin(path, {}, loop.wall_now()));
  return records.finish(path, manifest, true, {}, loop.wall_now());
}

loop::UniqueFd PodRun::read_out() {
  HR_CHECK(::mkfifo(out_path_.c_str(), 0600) == 0);
  loop::UniqueFd reader(::open(out_path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  HR_CHECK(reader.get() >= 0);
  return reader;
}

std::string PodRun::run_id() const {
  const auto runs = const_cast<store::DirectoryBackend&>(meta_).list("F");
  HR_CHECK(runs.ok());
  for (const auto& entry : *runs) {
    if (entry.directory && entry.name != "_meta") return entry.name;
  }
  return {};
}

std::string PodRun::stored(const std::string& path) const {
  return content(fmt::format("{}/data/F/{}/{}", folder_.path(), run_id(), path));
}

void PodRun::lose(const std::string& path) const {
  HR_CHECK(::unlink(fmt::format("{}/data/F/{}/{}", folder_.path(), run_id(), path).c_str()) == 0);
}

bool PodRun::recorded(const std::string& task, const std::string& beginning) const {
  const auto files = const_cast<store::DirectoryBackend&>(meta_).list(fmt::format("F/{}/{}/_meta", run_id(), task));
  HR_CHECK(files.ok());
  return std::any_of(files->begin(), files->end(), [&](const auto& file) { return file.name.starts_with(beginning); });
}

std::string PodRun::seen(const std::string& path) const {
  std::string text = content(path);
  text = std::regex_replace(text, std::regex("(^|\n)\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3} "), "$1");
  const std::string id = run_id();
  for (std::size_t at = 0; !id.empty() && (at = text.find(id, at)) != std::string::npos;) text.replace(at, id.size(), "RUN");
  return std::regex_replace(text, std::regex("\\(pid " + std::to_string(::getpid()) + "\\)"), "(pid N)");
}

}  // namespace headrace::run::testing
