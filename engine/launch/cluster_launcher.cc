#include "launch/cluster_launcher.h"

#include <algorithm>

#include <fmt/format.h>

#include "launch/cluster_state.h"
#include "launch/preflight.h"

namespace headrace::launch {

namespace {

constexpr Duration kTroubleShown = 15s;
constexpr std::string_view kViolatesRestricted = "violates PodSecurity \"restricted";

Duration lease_of(const PodPolicy& policy, const std::vector<PodStep>& steps) {
  if (policy.lease) return *policy.lease;
  std::int64_t longest = 0;
  for (const PodStep& step : steps) longest = std::max(longest, step.settings->time_limit_s);
  return std::chrono::seconds(longest);
}

/// Keeps the first error of several that work side by side.
loop::Async<void> keep_error(loop::Async<Result<void>> work, std::optional<Error>& first) {
  auto result = co_await std::move(work);
  if (!result && !first) first = std::move(result).error();
}

loop::Async<Result<void>> check_namespace(kube::Client& client, RunNamespace& space) {
  auto facts = co_await look_at_namespace(client, space.name);
  if (!facts) co_return std::move(facts).error();
  space.restricted = facts->restricted;
  auto rights = co_await check_rights(client, space.name);
  co_return rights;
}

Error given_up() { return Error{.kind = Kind::failed, .what = "the run was interrupted while it prepared the cluster"}; }

std::string task_of(const std::string& label) { return label.substr(label.rfind('/') + 1); }

}  // namespace

ClusterLauncher::ClusterLauncher(loop::EventLoop& loop, kube::Client& client, loop::WorkerPool& pool, PodPolicy policy,
                                 std::string bootstrap)
    : state_(std::make_unique<ClusterState>(loop, client, pool, std::move(policy), std::move(bootstrap))) {}

ClusterLauncher::~ClusterLauncher() = default;

loop::Async<Result<void>> ClusterLauncher::begin(RunName run, std::vector<PodStep> steps, std::function<void(std::string)> note) {
  state_->run = std::move(run);
  state_->steps = std::move(steps);
  state_->note = std::move(note);
  return state_->begin();
}

void ClusterLauncher::give_up() { state_->removing = true; }

loop::Async<Result<PodEnd>> ClusterLauncher::run(PodStart start, PodListener& listener) {
  return state_->run_attempt(std::move(start), listener);
}

loop::Async<Result<void>> ClusterLauncher::read_log(std::string namespace_, std::string pod, std::uint64_t seq, PodListener& listener) {
  return state_->read_whole(std::move(namespace_), std::move(pod), seq, listener);
}

void ClusterLauncher::stop(std::string_view label, int attempt) {
  const auto found = state_->attempts.find({std::string(label), attempt});
  if (found == state_->attempts.end() || found->second->stopped) return;
  LivePod& pod = *found->second;
  pod.stopped = true;
  if (pod.created) state_->background.spawn(state_->remove_pod(*pod.space, pod.name));
  pod.tell();
  pod.space->ended.notify();
}

loop::Async<Result<Removed>> ClusterLauncher::remove_all() { return state_->remove_all(); }

loop::Async<Result<void>> ClusterLauncher::end() { return state_->end(); }

std::vector<std::string> ClusterLauncher::alive() const {
  std::vector<std::string> names;
  for (const auto& [key, pod] : state_->pods) {
    if (pod->created && !pod->over()) names.push_back(key);
  }
  return names;
}

PodPlan ClusterState::plan_for(const RunNamespace& space, const PodStart& start, int try_number) const {
  wire::AgentSpec spec = start.agent_spec;
  spec.try_number = try_number;
  PodPlan plan;
  plan.id = PodIdentity{.run = run, .step = start.step, .task = task_of(start.label), .attempt = start.attempt, .try_number = try_number};
  plan.settings = start.settings;
  plan.agent = space.agent;
  plan.owner = space.owner.owner();
  plan.bootstrap = bootstrap;
  plan.environment = start.environment;
  for (auto& [name, value] : wire::to_environment(wire::to_text(spec))) plan.environment[name] = value;
  plan.annotations = start.annotations;
  plan.limit_memory = policy.limit_memory;
  plan.restricted = space.restricted;
  return plan;
}

loop::Async<Result<void>> ClusterState::begin() {
  const Duration lease = lease_of(policy, steps);
  for (const PodStep& step : steps) {
    auto& space = spaces[step.settings->namespace_];
    if (!space) space = std::make_unique<RunNamespace>(loop, client, run, step.settings->namespace_, lease);
  }
  auto loaded = co_await load_agent(pool, policy.agent_file);
  if (!loaded) co_return std::move(loaded).error();
  agent = *std::move(loaded);

  auto checked = co_await check_cluster();
  if (!checked) co_return std::move(checked).error();
  if (removing) co_return given_up();

  std::optional<Error> failure;
  loop::TaskGroup group(loop);
  for (auto& [name, space] : spaces) group.spawn(keep_error(prepare(*space), failure));
  co_await group.wait();
  if (!failure) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool again = std::any_of(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(i),
                                     [&](const PodStep& one) { return *one.settings == *steps[i].settings; });
      if (!again) group.spawn(keep_error(try_create(steps[i]), failure));
    }
    co_await group.wait();
  }
  if (!failure && removing) failure = given_up();
  if (failure) {
    for (auto& [name, space] : spaces) {
      if (!space->owned) continue;
      auto removed = co_await space->owner.remove();
      if (!removed) note(to_text(removed.error()));
    }
    co_await close();
    co_return *std::move(failure);
  }
  for (auto& [name, space] : spaces) {
    background.spawn(dispatch(*space));
    background.spawn(hold_lease(*space));
  }
  co_return Result<void>{};
}

loop::Async<Result<void>> ClusterState::check_cluster() {
  std::optional<Error> failure;
  loop::TaskGroup group(loop);
  for (auto& [name, space] : spaces) group.spawn(keep_error(check_namespace(client, *space), failure));
  group.spawn(look_at_nodes());
  co_await group.wait();
  if (failure) co_return *std::move(failure);
  auto fits = co_await check_steps();
  co_return fits;
}

/// Trouble with it is no reason to stop: then the scheduler's own words must do.
loop::Async<void> ClusterState::look_at_nodes() {
  nodes_looked = loop.now();
  auto listed = co_await list_nodes(client);
  if (!listed) {
    note(fmt::format("The nodes of the cluster cannot be listed: {}", in_short(listed.error())));
    co_return;
  }
  nodes = *std::move(listed);
  nodes_denied = !nodes;
}

loop::Async<Result<void>> ClusterState::check_steps() {
  std::optional<bool> autoscaler;
  for (const PodStep& step : steps) {
    auto needs = needs_of(*step.settings, agent->architecture);
    if (!needs) co_return std::move(needs).error().at(fmt::format("step `{}`", step.step));
    if (!nodes) continue;
    auto problem = unplaceable(step, place(*needs, *nodes));
    if (!problem) continue;
    if (policy.unplaceable == PodPolicy::Unplaceable::automatic && !autoscaler) {
      auto seen = co_await sees_autoscaler(client, &*nodes);
      if (!seen) co_return std::move(seen).error();
      autoscaler = *seen;
    }
    const bool fatal = policy.unplaceable == PodPolicy::Unplaceable::error ||
                       (policy.unplaceable == PodPolicy::Unplaceable::automatic && !*autoscaler);
    if (fatal) co_return *std::move(problem);
    note(fmt::format("Warning: step `{}` fits on no node that the cluster has now: {}", step.step, problem->why));
  }
  co_return Result<void>{};
}

/// A create that makes nothing: what admission, quotas, limit ranges and validation say of the step's pods.
loop::Async<Result<void>> ClusterState::try_create(const PodStep& step) {
  RunNamespace& space = *spaces[step.settings->namespace_];
  PodStart start{.step = step.step, .label = fmt::format("{}/{}/0", run.run, step.step), .settings = step.settings};
  for (int look = 0; look < 2; ++look) {
    kube::Call call;
    call.method = "POST";
    call.path = fmt::format("/api/v1/namespaces/{}/pods", space.name);
    call.query["dryRun"] = "All";
    call.body = pod_manifest(plan_for(space, start, 0));
    auto answer = co_await client.call(call);
    if (!answer) co_return std::move(answer).error();
    if (answer->ok() || answer->status == 409) co_return Result<void>{};
    const std::string message = answer->message();
    if (!space.restricted && message.find(kViolatesRestricted) != std::string::npos) {
      space.restricted = true;
      continue;
    }
    auto quota = quota_refusal(message);
    if (quota && quota->can_fit) co_return Result<void>{};
    co_return pod_refusal(step.step, kube::refusal(call, *answer, client.access()), message);
  }
  co_return Result<void>{};
}

loop::Async<Result<void>> ClusterState::prepare(RunNamespace& space) {
  auto maps = co_await ensure_agent_maps(loop, client, pool, space.name, agent);
  if (!maps) co_return std::move(maps).error();
  if (removing) co_return given_up();
  space.agent = *std::move(maps);
  auto owned = co_await space.owner.ensure();
  if (!owned) co_return std::move(owned).error();
  space.owned = true;
  auto watching = co_await space.watch.start();
  if (!watching) co_return std::move(watching).error().at("watching the run's pods in namespace " + space.name);
  co_return Result<void>{};
}

/// Wakes those whose pods have changed: work per event, whatever the number of pods.
loop::Async<void> ClusterState::dispatch(RunNamespace& space) {
  std::optional<Instant> said;
  while (!closed) {
    for (const std::string& name : space.watch.take_changed()) {
      auto found = pods.find(space.name + "/" + name);
      if (found == pods.end()) continue;
      // One that came and went between two looks.
      if (!space.watch.find(name) && found->second->created) found->second->seen = true;
      found->second->tell();
    }
    const auto& trouble = space.watch.trouble();
    const Instant now = loop.now();
    if (!trouble) {
      said.reset();
    } else if (now - trouble->since >= kTroubleShown && (!said || now - *said >= kNoteAgain)) {
      said = now;
      note(fmt::format("The cluster does not tell of pods in namespace {} since {} s: {}", space.name,
                       std::chrono::duration_cast<std::chrono::seconds>(now - trouble->since).count(), in_short(trouble->error)));
    }
    (void)co_await space.watch.changed().wait_until(now + kTroubleShown);
  }
}

loop::Async<void> ClusterState::hold_lease(RunNamespace& space) {
  Renewals renewals(loop, space.owner.lease());
  while (true) {
    while (!closed && !renewals.due()) (void)co_await closing.wait_until(renewals.look());
    if (closed) break;
    renewals.renewed();
    auto renewed = co_await space.owner.renew();
    if (!renewed && renewed.error().kind == Kind::missing) renewed = co_await space.owner.ensure();
    if (!renewed && !closed) {
      note(fmt::format("The run's lease in namespace {} could not be renewed; the cluster removes its pods when it has passed: {}",
                       space.name, in_short(renewed.error())));
    }
  }
}

loop::Async<Result<void>> ClusterState::end() {
  std::optional<Error> failure;
  for (auto& [name, space] : spaces) {
    if (!space->owned) continue;
    bool failed = false;
    for (const std::string& pod : space->watch.names()) {
      const codec::Json* json = space->watch.find(pod);
      failed |= json && read_pod(*json, "").phase == PodPhase::failed;
    }
    const bool keep = failed && policy.keep_failed > Duration{0};
    auto removed = co_await remove_pods(*space, keep ? "status.phase!=Failed" : "", false);
    if (!removed && !failure) failure = std::move(removed).error();
    // Failed pods go with their owner, when its time is over.
    Result<void> owner;
    if (keep) owner = co_await space->owner.renew(policy.keep_failed);
    else owner = co_await space->owner.remove();
    if (!owner && !failure) failure = std::move(owner).error();
  }
  co_await close();
  if (failure) co_return *std::move(failure);
  co_return Result<void>{};
}

loop::Async<void> ClusterState::close() {
  closed = true;
  for (auto& [name, space] : spaces) {
    space->watch.stop();
    space->watch.changed().notify();
  }
  closing.notify();
  co_await background.wait();
}

}  // namespace headrace::launch
