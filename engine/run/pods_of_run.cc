// What all pods of a run have in common: their cluster, the code package, their removal.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "codec/json.h"
#include "console/error_block.h"
#include "run/driver.h"
#include "store/run_lease.h"

namespace headrace::run {

namespace {

/// Of pods that are left; the command that removes them finds all.
constexpr std::size_t kNamesShownMax = 10;
constexpr std::string_view kDefaultNamespace = "default";

std::string counted(std::uint64_t number, std::string_view what) { return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s"); }

std::string joined(const std::vector<std::string>& names) {
  const auto shown = std::min(names.size(), kNamesShownMax);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace

bool Driver::has_pods() const { return !spec_.pods.empty() && !spec_.spin; }

std::string Driver::removal_command() const {
  // The command looks into one namespace, the configured one.
  std::set<std::string> namespaces;
  for (const auto& [step, settings] : spec_.pods) namespaces.insert(settings.namespace_);
  std::vector<std::string> commands;
  for (const std::string& ns : namespaces) {
    commands.push_back(fmt::format("{}python {} kubernetes kill --run-id {}", ns == kDefaultNamespace ? "" : "METAFLOW_KUBERNETES_NAMESPACE=" + ns + " ",
                                   spec_.script, facts_.identity.run.str()));
  }
  return fmt::format("{}", fmt::join(commands, "; "));
}

loop::Async<void> Driver::begin_pods() {
  launch::RunName name{.root = spec_.datastore_root, .flow = spec_.flow, .run = facts_.identity.run.str(), .user = spec_.user};
  std::vector<launch::PodStep> steps;
  for (const auto& [step, settings] : spec_.pods) steps.push_back({.step = spec_.graph.name(step), .settings = &settings});
  auto note = [this](std::string line) {
    lines_.run_line(parts_.loop.wall_now(), line);
    flush_soon();
  };
  if (stopped_) co_return;
  auto beginning = parts_.pods->begin(std::move(name), std::move(steps), std::move(note));
  pods_touched_ = true;
  auto begun = co_await unless_left(std::move(beginning));
  preparation_.cancel();
  if (!begun) {
    pods_begun_ = Error{.kind = Kind::failed, .what = "the run was interrupted before its first task"};
  } else if (!*begun) {
    // It has taken back what it had made.
    pods_touched_ = false;
    Error error = std::move(*begun).error();
    error.what = "Kubernetes error: " + error.what;
    pods_begun_ = std::move(error);
  } else {
    pods_begun_ = Result<void>{};
  }
}

loop::Async<Result<void>> Driver::store_package() {
  auto work = [&blobs = *blobs_, bytes = std::move(spec_.pod_run->package)] { return blobs.put_raw(bytes); };
  auto key = co_await parts_.pool.run(work);
  if (!key) co_return std::move(key).error().at("storing the code package");
  const std::string sha = key->str();
  package_ = wire::CodePackage{.sha = sha,
                               .url = fmt::format("{}/{}/data/{}/{}", spec_.datastore_root, spec_.flow, sha.substr(0, 2), sha),
                               .metadata = spec_.pod_run->package_metadata};
  co_return Result<void>{};
}

loop::Async<Result<void>> Driver::renew_lease() {
  renewals_.renewed();
  lease_timer_.set(renewals_.look());
  auto work = [&data = parts_.data, flow = facts_.identity.flow, run = facts_.identity.run, now = parts_.loop.wall_now()] {
    return store::renew_run_lease(data, flow, run, now);
  };
  co_return co_await parts_.pool.run(work);
}

void Driver::look_at_lease() {
  if (renewals_.due()) work_.spawn(renew_lease_again());
  else lease_timer_.set(renewals_.look());
}

loop::Async<void> Driver::renew_lease_again() {
  if (ended_ || stopped_) co_return;
  auto renewed = co_await renew_lease();
  if (renewed || ended_ || stopped_) co_return;
  lines_.run_line(parts_.loop.wall_now(),
                  fmt::format("The run's lease in the datastore could not be renewed; pods that start end at once when it has passed: {}: {}",
                              renewed.error().what, renewed.error().why));
  flush_soon();
}

wire::AgentSpec Driver::agent_spec_of(const attempt::Assignment& assignment) const {
  const flow::Step& step = spec_.graph.step(*spec_.graph.find(assignment.path.task.step.str()));
  wire::AgentSpec spec{.flow = spec_.flow,
                       .run = facts_.identity.run,
                       .user = spec_.user,
                       .namespace_ = spec_.namespace_,
                       .tags = spec_.tags,
                       .sys_tags = spec_.sys_tags,
                       .datastore_type = spec_.datastore_type,
                       .datastore_root = spec_.datastore_root,
                       .sys_version = spec_.sys_version,
                       .origin_run = facts_.origin_run,
                       .fields = {},
                       .code = package_,
                       .step = assignment.path.task.step,
                       .task = assignment.path.task.task,
                       .attempt = assignment.path.attempt,
                       .max_user_code_retries = assignment.max_user_code_retries,
                       .split_index = assignment.split_index,
                       .join = assignment.join,
                       .inputs = assignment.inputs,
                       .parameters = assignment.parameters,
                       .part = assignment.part,
                       .num_parallel = assignment.num_parallel,
                       .node_index = assignment.node_index,
                       .control_task = assignment.control_task,
                       .command = spec_.pod_run->command,
                       .configs = spec_.pod_run->configs,
                       .environment = step.environment,
                       .log_bytes_max = static_cast<std::uint64_t>(spec_.limits.max_log_bytes),
                       .lease_s = std::chrono::ceil<std::chrono::seconds>(parts_.start_lease).count()};
  for (store::Field& field : pod_fields()) {
    spec.fields.push_back({.field = std::move(field.name), .type = std::move(field.type), .value = std::move(field.value),
                           .tags = std::move(field.tags)});
  }
  return spec;
}

std::vector<store::Field> Driver::pod_fields() const {
  const codec::Json package = {{"ds_type", spec_.datastore_type}, {"sha", package_.sha}, {"location", package_.url},
                               {"metadata", package_.metadata}};
  std::vector<store::Field> fields = facts_.fields;
  fields.push_back({.name = "code-package", .type = "code-package", .value = codec::dump_json(package)});
  return fields;
}

void Driver::remove_pods() {
  if (!pods_touched_ || std::exchange(removing_, true)) return;
  work_.spawn(remove_all_pods());
}

loop::Async<void> Driver::remove_all_pods() {
  auto removing = parts_.pods->remove_all();
  auto removed = co_await unless_left(std::move(removing));
  if (!removed) co_return;
  if (!*removed) {
    pods_left_ = std::move(*removed).error();
    if (pods_left_->next.empty()) pods_left_->next = "remove what is left with `" + removal_command() + "`";
    co_return;
  }
  const launch::Removed& what = **removed;
  if (what.pods > 0) {
    lines_.run_line(parts_.loop.wall_now(), fmt::format("Removed {} of this run in namespace{} {}.", counted(what.pods, "pod"),
                                                        what.namespaces.size() == 1 ? "" : "s", fmt::join(what.namespaces, ", ")));
    flush_soon();
  }
  if (what.left.empty()) co_return;
  pods_left_ = Error{.kind = Kind::failed,
                     .what = counted(what.left.size(), "pod") + " of this run could not be removed in time",
                     .where = joined(what.left),
                     .why = "the cluster has been asked to remove them, and had not done so",
                     .next = "look at them, and remove them, with `" + removal_command() + "`"};
}

void Driver::leave() {
  if ((!pods_touched_ && !(ended_ && copy_timer_)) || std::exchange(left_, true)) return;
  const std::vector<std::string> alive = pods_touched_ ? parts_.pods->alive() : std::vector<std::string>{};
  if (!alive.empty()) {
    pods_left_ = Error{.kind = Kind::failed,
                       .what = counted(alive.size(), "pod") + " of this run may still exist",
                       .where = joined(alive),
                       .why = "this command was told to end at once, before the cluster had removed them",
                       .next = "remove what is left with `" + removal_command() + "`; without that the cluster does, when their time is over"};
  }
  unheard_.notify();
}

loop::Async<void> Driver::end_pods() {
  lease_timer_.cancel();
  if (!pods_touched_ || left_) co_return;
  auto forget = [&data = parts_.data, flow = facts_.identity.flow, run = facts_.identity.run] {
    return store::remove_run_lease(data, flow, run);
  };
  // A lease that is left says when the run was last seen, which is true.
  auto forgetting = parts_.pool.run(forget);
  (void)co_await unless_left(std::move(forgetting));
  if (removing_ || left_) co_return;
  auto ending = parts_.pods->end();
  auto ended = co_await unless_left(std::move(ending));
  if (ended && !*ended) pods_left_ = std::move(*ended).error().at("removing the pods of the run");
}

}  // namespace headrace::run
