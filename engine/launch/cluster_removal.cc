// Removing what a run has made: one pod, all of a namespace, everything.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "launch/cluster_state.h"

namespace headrace::launch {

namespace {

using codec::Json;

constexpr Duration kRemovalMax = 60s;
/// Pods that were being made when the list was deleted are in no list yet.
constexpr Duration kRemovalAgain = 2s;
/// The pods' grace of 5 s, and a little for their nodes.
constexpr Duration kGraceMax = 7s;
constexpr Duration kCallMax = 30s;

std::string pods_path(const RunNamespace& space) { return fmt::format("/api/v1/namespaces/{}/pods", space.name); }

}  // namespace

loop::Async<void> ClusterState::remove_pod(RunNamespace& space, std::string name) {
  kube::Call call;
  call.method = "DELETE";
  call.path = pods_path(space) + "/" + name;
  auto answer = co_await client.call(call);
  if (answer && (answer->ok() || answer->status == 404)) co_return;
  const Error error = answer ? kube::refusal(call, *answer, client.access()) : answer.error();
  note(fmt::format("Pod {} in namespace {} could not be removed; the run's end or its lease will: {}", name, space.name, in_short(error)));
}

/// `force`: without grace, for pods whose node does not confirm their end; if it lives, it ends them all the same.
loop::Async<Result<void>> ClusterState::remove_pods(RunNamespace& space, std::string fields, bool force) {
  kube::Call call;
  call.method = "DELETE";
  call.path = pods_path(space);
  call.query["labelSelector"] = run_selector(run);
  if (!fields.empty()) call.query["fieldSelector"] = fields;
  if (force) call.body = Json{{"gracePeriodSeconds", 0}};
  call.deadline = kCallMax;
  auto answer = co_await client.call(call);
  if (!answer) co_return std::move(answer).error();
  if (!answer->ok()) co_return kube::refusal(call, *answer, client.access());
  co_return Result<void>{};
}

/// Deletes all at once and again, until the server's own list is empty.
loop::Async<void> ClusterState::remove_space(RunNamespace& space, Removed& removed, std::optional<Error>& failure) {
  std::set<std::string> known;
  const Instant deadline = loop.now() + kRemovalMax;
  const Instant force = loop.now() + kGraceMax;
  bool empty = false;
  while (!empty && loop.now() < deadline) {
    for (std::string& name : space.watch.names()) known.insert(std::move(name));
    // Those that the watch has not told of yet.
    for (const auto& [key, pod] : pods) {
      if (pod->space == &space && pod->created && !pod->gone) known.insert(pod->name);
    }
    auto deleted = co_await remove_pods(space, "", loop.now() >= force);
    if (!deleted) {
      if (!failure) failure = std::move(deleted).error();
      break;
    }
    const Instant again = loop.now() + kRemovalAgain;
    bool in_time = true;
    while ((space.watch.size() > 0 || creating > 0) && in_time) in_time = co_await space.watch.changed().wait_until(again);
    if (space.watch.size() > 0) continue;
    kube::Call list;
    list.path = pods_path(space);
    list.query["labelSelector"] = run_selector(run);
    list.query["limit"] = "1";
    list.deadline = kCallMax;
    auto left = co_await client.call_ok(list);
    empty = left && left->contains("items") && (*left)["items"].empty() && creating == 0;
  }
  const std::vector<std::string> left = empty ? std::vector<std::string>{} : space.watch.names();
  for (const std::string& name : left) removed.left.push_back(space.name + "/" + name);
  removed.pods += known.size() - std::min(known.size(), left.size());
  removed.namespaces.push_back(space.name);
  auto owner = co_await space.owner.remove();
  if (owner) space.owned = false;
  else if (!failure) failure = std::move(owner).error();
}

loop::Async<Result<Removed>> ClusterState::remove_all() {
  removing = true;
  for (auto& [key, pod] : pods) pod->tell();
  Removed removed;
  std::optional<Error> failure;
  loop::TaskGroup group(loop);
  for (auto& [name, space] : spaces) {
    space->ended.notify();
    if (space->owned) group.spawn(remove_space(*space, removed, failure));
  }
  co_await group.wait();
  if (failure) {
    failure->next = fmt::format("remove what is left: kubectl delete pods,jobs -l {} in each namespace of the run; what has an owner is removed "
                                "by the cluster when the run's lease has passed", run_selector(run));
    co_return *std::move(failure);
  }
  co_return removed;
}

}  // namespace headrace::launch
