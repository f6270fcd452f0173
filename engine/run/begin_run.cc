// What comes before the first task: the run's id, its files, its first line.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "codec/json.h"
#include "run/driver.h"
#include "run/run_values.h"
#include "store/open_backend.h"

namespace headrace::run {

namespace {

constexpr Duration kOfferAgain = 5ms;

Result<void> write_file(const std::string& path, std::string_view text) {
  loop::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd) return system_error(errno, fmt::format("`{}` cannot be written", path));
  while (!text.empty()) {
    ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno != EINTR) return system_error(errno, fmt::format("`{}` cannot be written", path));
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

loop::Async<Result<void>> Driver::begin_run() {
  auto possible = refuse_what_cannot_run();
  if (!possible) co_return std::move(possible).error();
  facts_ = attempt::facts_of(spec_, spec_.sysmeta, spec_.metadata_root);
  if (spec_.resume) {
    facts_.origin_run = spec_.resume->origin_run_id;
    facts_.identity.origin_run_id = spec_.resume->origin_run_id;
    auto found = co_await begin_resume();
    if (!found) co_return std::move(found).error();
  }
  auto id = co_await make_run_id();
  if (!id) co_return std::move(id).error();
  facts_.identity.run = *id;
  records_ = std::make_unique<store::RunRecords>(parts_.data, parts_.meta, facts_.identity);
  blobs_ = std::make_unique<store::BlobStore>(parts_.data, facts_.identity.flow);
  if (parts_.input_data) input_blobs_ = std::make_unique<store::BlobStore>(*parts_.input_data, facts_.identity.flow);
  manifests_ = std::make_unique<attempt::ManifestCache>(
      parts_.pool, parts_.input_data ? *parts_.input_data : parts_.data, facts_.identity.flow);
  auto files = co_await write_run_files();
  if (!files) co_return std::move(files).error();
  say_first_line();
  if (spec_.resume && spec_.resume->reentrant_as) {
    // Who does not lead has nothing more to say of the run.
    if (spec_.runner_attribute_file) watching_.spawn(offer_attributes());
    auto leads = co_await lead_resume();
    if (!leads) co_return std::move(leads).error();
    if (!*leads) {
      finish_ = sched::FinishRun{.end = sched::FinishRun::End::cloned, .failure = {}, .failed_task = {}};
      co_return Result<void>{};
    }
  }
  // The cluster and the datastore are asked side by side.
  loop::TaskGroup beside(parts_.loop);
  if (has_pods()) beside.spawn(begin_pods());
  auto stored = co_await store_parameters();
  if (stored && has_pods()) stored = co_await store_package();
  co_await beside.wait();
  if (!stored) co_return std::move(stored).error();
  begin_copy();
  if (pods_begun_ && !*pods_begun_) co_return std::move(*pods_begun_).error();
  if (pods_begun_) {
    auto leased = co_await renew_lease();
    if (!leased) co_return std::move(leased).error();
  }
  if (spec_.runner_attribute_file && !(spec_.resume && spec_.resume->reentrant_as)) watching_.spawn(offer_attributes());
  if (spec_.resume) {
    lines_.run_line(parts_.loop.wall_now(), fmt::format("Cloning {}/{}", spec_.flow, spec_.resume->origin_run_id));
    flush_soon();
  }
  auto host = co_await parts_.launcher.ready();
  if (!host) co_return std::move(host).error();
  scheduler_ = std::make_unique<sched::Scheduler>(
      spec_.graph, spec_.limits, spec_.resume ? std::optional(origin_for_scheduler()) : std::nullopt);
  co_return Result<void>{};
}

Result<void> Driver::refuse_what_cannot_run() const {
  if (!has_pods() || parts_.pods) return {};
  return Error{.kind = Kind::misuse,
               .what = "Kubernetes error",
               .where = fmt::format("step `{}`", spec_.graph.name(spec_.pods.begin()->first)),
               .why = "no cluster was given to this run",
               .next = "run without @kubernetes and `--with kubernetes`"};
}

loop::Async<Result<RunId>> Driver::make_run_id() {
  WallTime now = parts_.loop.wall_now();
  std::optional<std::string> given = spec_.resume ? spec_.resume->run_id : std::nullopt;
  store::RunIdentity identity = facts_.identity;
  if (given) identity.run = RunId(*given);
  auto work = [&data = parts_.data, &meta = parts_.meta, identity, now, given]() -> Result<RunId> {
    HR_TRY(data.check());  // before anything says that there is a run
    if (!given) return store::RunRecords::new_run(meta, identity, now);
    HR_TRY(store::RunRecords::register_run(meta, identity, now));
    return identity.run;
  };
  co_return co_await parts_.pool.run(work);
}

loop::Async<Result<void>> Driver::write_run_files() {
  auto written_work = [&records = *records_, &spec = spec_, id = facts_.identity.run]() -> Result<void> {
    if (spec.command == wire::RunCommand::run) HR_TRY(records.set_latest_run());
    // Where the run that the inputs are of wrote it, as Metaflow does.
    if (spec.spin) {
      const auto runs = HR_TRY(store::open_backend(store::kLocalType, spec.spin->runs_root));
      HR_TRY(runs->put(spec.flow + "/latest_run", id.str()));
    }
    if (spec.run_id_file) HR_TRY(write_file(*spec.run_id_file, id.str()));
    return store_includes(spec);
  };
  auto written = co_await parts_.pool.run(written_work);
  co_return written;
}

void Driver::say_first_line() {
  if (spec_.spin) return;
  std::string text = fmt::format("Workflow starting (run-id {})", facts_.identity.run.str());
  if (spec_.ui_url.empty()) {
    text += ":";
  } else {
    text += fmt::format(", see it in the UI at {}/{}/{}", spec_.ui_url, spec_.flow, facts_.identity.run.str());
  }
  lines_.run_line(parts_.loop.wall_now(), text);
  flush_soon();
}

loop::Async<void> Driver::offer_attributes() {
  codec::Json json;
  json["run_id"] = facts_.identity.run.str();
  json["flow_name"] = spec_.flow;
  if (spec_.spin) {
    json["step_name"] = spec_.graph.name(spec_.spin->step);
    json["task_id"] = "0";
  }
  json["metadata"] = (spec_.spin ? "spin@" : "local@") + std::filesystem::path(spec_.metadata_root).parent_path().string();
  std::string text = codec::dump_json(json);
  // A FIFO cannot be opened before its reader comes; the run does not wait for that.
  const std::string& path = *spec_.runner_attribute_file;
  loop::UniqueFd fd;
  while (!ended_) {
    fd = loop::UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666));
    if (fd || errno != ENXIO) break;
    co_await parts_.loop.sleep_for(kOfferAgain);
  }
  if (fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) co_return;
  if (!ended_) not_offered_ = system_error(errno, fmt::format("the attribute file `{}` cannot be written", path));
}

}  // namespace headrace::run
