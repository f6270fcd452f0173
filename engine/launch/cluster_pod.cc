// One attempt in pods: made, followed by what the watch tells, judged, and tried again when the infrastructure lost it.
#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "codec/json_path.h"
#include "launch/cluster_state.h"
#include "launch/preflight.h"

namespace headrace::launch {

namespace {

using codec::Json;
using codec::text_at;

/// A container's end may be told before the pod's own reason (a deadline, an eviction), which is waited for this long.
constexpr Duration kSettleMax = 2s;
/// The watch should have told of a pod by then; after it, the pod is asked for.
constexpr std::chrono::seconds kUnseenMax{30};
constexpr Duration kWarningsEach = 5s;
constexpr Duration kNodesEach = 60s;
constexpr Duration kQuotaPauseMin = 1s;
constexpr Duration kQuotaPauseMax = 15s;
/// So many of a line ask whether there is room; if all did, each end of a pod would bring as many requests as there are waiting.
constexpr std::size_t kQuotaAskersMax = 8;
constexpr int kConflictsMax = 20;
constexpr Duration kConflictPause = 200ms;
constexpr std::string_view kViolatesRestricted = "violates PodSecurity \"restricted";

/// `text`, and how many others it stands for.
std::string with_others(std::string text, std::size_t others) {
  if (others > 0) text += fmt::format(" ({} other tasks wait for the same)", others);
  return text;
}

void sooner(std::optional<Instant>& next, std::optional<Instant> other) {
  if (other && (!next || *other < *next)) next = other;
}

/// A pod's place in the line of those that wait for room in a quota, once it has entered it.
class QuotaWait {
 public:
  QuotaWait(std::list<LivePod*>& line, LivePod& pod) : line_(line), pod_(pod) {}
  ~QuotaWait() {
    if (!place_) return;
    line_.erase(*place_);
    // All have moved up by one: one more may ask.
    if (line_.size() >= kQuotaAskersMax) (*std::next(line_.begin(), kQuotaAskersMax - 1))->changed.notify();
  }
  QuotaWait(const QuotaWait&) = delete;
  QuotaWait& operator=(const QuotaWait&) = delete;

  /// Returns when the pod may ask again, or is stopped.
  loop::Async<void> wait(const ClusterState& state, std::string words, PodListener& listener) {
    if (!place_) place_ = line_.insert(line_.end(), &pod_);
    while (!state.removing && !pod_.stopped) {
      std::optional<Instant> next;
      const Instant now = state.loop.now();
      const std::string key = words.substr(0, words.find(','));
      if (notes_.due(key, false, now, next)) {
        if (auto others = pod_.space->crowds["quota " + key].speak(now)) {
          listener.note(with_others(fmt::format("Task is starting (waits for room in the namespace's quota - {})...", words), *others));
        }
      }
      if (may_ask()) {
        // When one of ours has ended, its share is free a moment later.
        const bool woken = co_await pod_.space->ended.wait_until(state.loop.now() + pause_);
        if (woken) co_await state.loop.sleep_for(kConflictPause);
        pause_ = woken ? kQuotaPauseMin : std::min(pause_ * 2, kQuotaPauseMax);
        co_return;
      }
      (void)co_await pod_.changed.wait_until(*next);
      if (may_ask()) co_return;
    }
  }

 private:
  [[nodiscard]] bool may_ask() const {
    const auto first = line_.begin();
    const auto end = std::next(first, static_cast<std::ptrdiff_t>(std::min(line_.size(), kQuotaAskersMax)));
    return std::find(first, end, &pod_) != end;
  }

  std::list<LivePod*>& line_;
  LivePod& pod_;
  std::optional<std::list<LivePod*>::iterator> place_;
  WaitNotes notes_;
  Duration pause_ = kQuotaPauseMin;
};

PodEnd stopped_before(const PodStart& start, int try_number) {
  PodEnd end{.outcome = PodOutcome::stopped, .exit_code = -1, .namespace_ = start.settings->namespace_, .tries = try_number + 1};
  end.started = try_number > 0;
  end.cause = Error{.kind = Kind::failed, .what = fmt::format("the pod of step `{}` was not started any more", start.step)};
  return end;
}

/// Is this event about something that the pod's status does not tell?
bool only_event_tells(const std::string& reason) {
  return reason == "FailedMount" || reason == "FailedAttachVolume" || reason == "FailedMapVolume" || reason == "FailedCreatePodSandBox" ||
         reason == "FailedPodSandBoxStatus" || reason == "NetworkNotReady" || reason == "FailedBinding" || reason == "ProvisioningFailed";
}

}  // namespace

void ClusterState::look(LivePod& pod) const {
  const Json* json = pod.space->watch.find(pod.name);
  if (json) {
    PodFacts facts = read_pod(*json, pod.container);
    if (facts.uid == pod.uid) {
      pod.facts = std::move(facts);
      pod.seen = true;
      return;
    }
  }
  if (pod.seen) pod.gone = true;
}

loop::Async<void> ClusterState::look_directly(LivePod& pod) {
  kube::Call get;
  get.path = fmt::format("/api/v1/namespaces/{}/pods/{}", pod.space->name, pod.name);
  auto answer = co_await client.call(get);
  if (answer && answer->status == 404) pod.gone = true;
  if (answer && answer->ok()) pod.facts = read_pod(answer->body, pod.container);
}

loop::Async<void> ClusterState::look_at_warnings(RunNamespace& space) {
  const Instant now = loop.now();
  if (space.warnings_denied || (space.warnings_looked && now - *space.warnings_looked < kWarningsEach)) co_return;
  space.warnings_looked = now;
  kube::Call call;
  call.path = fmt::format("/api/v1/namespaces/{}/events", space.name);
  // Why a pod is not placed its status tells; of thousands that wait there are as many of these.
  call.query["fieldSelector"] = "type=Warning,involvedObject.kind=Pod,reason!=FailedScheduling";
  auto listed = co_await client.list(call);
  if (!listed) {
    space.warnings_denied = listed.error().kind == Kind::denied;
    if (space.warnings_denied) {
      note(fmt::format("What pods wait for on their nodes is not known in namespace {}: the right `list` on `events` is missing", space.name));
    }
    co_return;
  }
  space.warnings.clear();
  for (const Json& item : listed->items) {
    const std::string reason = text_at(item, "reason");
    if (!only_event_tells(reason)) continue;
    space.warnings[text_at(item, {"involvedObject", "name"})] = reason + " - " + text_at(item, "message");
  }
  // Somebody has deleted parts of the agent: pods go on when they are there again.
  const bool broken = std::any_of(space.warnings.begin(), space.warnings.end(), [&](const auto& warning) {
    return warning.second.find(agent_index_name(agent->sha1)) != std::string::npos && warning.second.find("not found") != std::string::npos;
  });
  if (!broken) co_return;
  auto made = co_await ensure_agent_maps(loop, client, pool, space.name, agent, true);
  if (!made) note(fmt::format("The agent could not be stored again in namespace {}: {}", space.name, in_short(made.error())));
}

/// The cluster's words, then plain numbers where they help.
loop::Async<std::string> ClusterState::explain(const PodCase& one, const PodWait& wait) {
  std::string text = fmt::format("Task is starting ({})...", wait.words);
  if (!wait.unschedulable) co_return text;
  if (!nodes_denied && (!nodes_looked || loop.now() - *nodes_looked >= kNodesEach)) co_await look_at_nodes();
  if (!nodes) {
    if (nodes_denied) text += " (what the nodes have is not known: the right `list` on `nodes` is missing)";
    co_return text;
  }
  auto needs = needs_of(*one.settings, agent->architecture);
  if (!needs) co_return text;
  const Placement placement = place(*needs, *nodes);
  text += " " + placement.reason;
  if (!placement.advice.empty()) text += ": " + placement.advice;
  co_return text;
}

loop::Async<Result<Json>> ClusterState::adopt(LivePod& pod) {
  kube::Call get;
  get.path = fmt::format("/api/v1/namespaces/{}/pods/{}", pod.space->name, pod.name);
  auto found = co_await client.call(get);
  if (!found) co_return std::move(found).error();
  if (found->status == 404) co_return Json();
  if (!found->ok()) co_return kube::refusal(get, *found, client.access());
  if (read_pod(found->body, pod.container).owner_uid == pod.space->owner.owner().uid) co_return std::move(found->body);
  co_return Error{.kind = Kind::failed,
                  .what = fmt::format("there is a pod `{}` in namespace {} that is not of this run", pod.name, pod.space->name),
                  .why = "its owner is another one",
                  .next = fmt::format("delete it: kubectl -n {} delete pod {}", pod.space->name, pod.name)};
}

/// The pod as the server has accepted it; null when it was stopped meanwhile.
loop::Async<Result<Json>> ClusterState::create(LivePod& pod, const PodStart& start, int try_number, PodListener& listener) {
  RunNamespace& space = *pod.space;
  QuotaWait quota_wait(space.quota_lines[start.settings], pod);
  int conflicts = 0;
  while (!removing && !pod.stopped) {
    kube::Call call;
    call.method = "POST";
    call.path = fmt::format("/api/v1/namespaces/{}/pods", space.name);
    call.body = pod_manifest(plan_for(space, start, try_number));
    ++creating;
    auto answer = co_await client.call(call);
    --creating;
    if (!answer) co_return std::move(answer).error();
    if (answer->ok()) co_return std::move(answer->body);
    const std::string message = answer->message();
    if (answer->reason() == "AlreadyExists") {
      auto found = co_await adopt(pod);
      if (!found || !found->is_null()) co_return found;
      continue;
    }
    if (answer->status == 409 && ++conflicts <= kConflictsMax) {  // Two creates have met at one quota.
      co_await loop.sleep_for(kConflictPause);
      continue;
    }
    if (!space.restricted && message.find(kViolatesRestricted) != std::string::npos) {
      space.restricted = true;
      continue;
    }
    auto quota = quota_refusal(message);
    if (!quota || !quota->can_fit) {
      co_return pod_refusal(start.step, kube::refusal(call, *answer, client.access()), message);
    }
    co_await quota_wait.wait(*this, std::move(quota->words), listener);
  }
  co_return Json();
}

/// Returns when the pod has ended, is gone, or will never start.
loop::Async<PodVerdict> ClusterState::follow(LivePod& pod, PodCase& one, PodListener& listener, loop::TaskGroup& readers) {
  StartJudge judge(policy.image_tries_max);
  WaitNotes notes;
  const Instant born = loop.now();
  std::optional<Instant> ended;
  while (true) {
    pod.news = false;
    look(pod);
    const Instant now = loop.now();
    std::optional<Instant> next;
    if (!pod.seen && !pod.gone) {
      if (now - born >= kUnseenMax) co_await look_directly(pod);
      next = now + kUnseenMax;
    }
    one.pod = pod.facts;
    one.pod.name = pod.name;
    one.gone = pod.gone;
    one.stopped = pod.stopped || removing;
    if (pod.facts.started && !pod.reading && !pod.gone) {
      pod.reading = true;
      readers.spawn(read_log(pod, listener));
    }
    if (!pod.facts.ip.empty()) listener.reachable(pod.facts.ip);
    if (pod.gone) break;
    if (pod.facts.ended()) {
      one.report = report_of(pod.facts);
      if (!ended) ended = now;
      const bool well = pod.facts.end && pod.facts.end->exit_code == 0;
      if (pod.facts.settled() || well || pod.facts.others_run || now - *ended >= kSettleMax) break;
      sooner(next, *ended + kSettleMax);
    } else if (pod.facts.deleting) {
      // In microseconds, as the server's clock is: what it says may be far off.
      const auto left = *pod.facts.deleting + std::chrono::microseconds(kDeletionPatience) - loop.wall_now();
      if (left.count() <= 0) break;
      sooner(next, now + std::min<std::chrono::microseconds>(left, kUnseenMax));
    } else if (auto never = judge.look(one, now)) {
      co_return *std::move(never);
    } else if (pod.facts.node_silent) {
      std::optional<Instant> again;
      if (notes.due("node silent", false, now, again)) {
        if (auto others = pod.space->crowds["node " + pod.facts.node].speak(now)) {
          listener.note(with_others(
              fmt::format("Node {} has stopped answering; the cluster gives its pods up after a few minutes", pod.facts.node), *others));
        }
      }
      sooner(next, again);
    } else if (auto wait = why_waiting(pod.facts, "")) {
      sooner(next, judge.next_look());
      std::optional<Instant> again;
      if (wait->ordinary && !pod.facts.node.empty() && now - born >= kOrdinaryWait) {
        co_await look_at_warnings(*pod.space);
        auto warning = pod.space->warnings.find(pod.name);
        if (warning != pod.space->warnings.end()) wait = why_waiting(pod.facts, warning->second);
        if (!pod.space->warnings_denied) sooner(next, now + kWarningsEach);
      }
      if (wait && notes.due(wait->key, wait->ordinary, now, again)) {
        if (auto others = pod.space->crowds[wait->key].speak(now)) {
          std::string text = co_await explain(one, *wait);
          listener.note(with_others(std::move(text), *others));
        }
      }
      sooner(next, again);
    }
    if (pod.news) continue;
    if (next) (void)co_await pod.changed.wait_until(*next);
    else co_await pod.changed.wait();
  }
  // The last word: the pod may have ended while something was asked.
  one.report = report_of(one.pod);
  co_return judge_end(one);
}

void ClusterState::enlist(LivePod& pod) {
  pods[pod.space->name + "/" + pod.name] = &pod;
  attempts[{pod.label, pod.attempt}] = &pod;
}

void ClusterState::delist(LivePod& pod) {
  pods.erase(pod.space->name + "/" + pod.name);
  attempts.erase({pod.label, pod.attempt});
}

loop::Async<Result<PodEnd>> ClusterState::run_try(const PodStart& start, int try_number, PodListener& listener, bool& again) {
  const auto found = spaces.find(start.settings->namespace_);
  HR_CHECK(found != spaces.end());  // `begin` was told of the step.
  RunNamespace& space = *found->second;
  LivePod pod(loop);
  pod.name = pod_name(plan_for(space, start, try_number).id);
  pod.container = container_name(start.step);
  pod.label = start.label;
  pod.attempt = start.attempt;
  pod.space = &space;
  enlist(pod);
  auto made = co_await create(pod, start, try_number, listener);
  if (!made || made->is_null()) {
    delist(pod);
    if (!made) co_return std::move(made).error().at(fmt::format("pod {} in namespace {}", pod.name, space.name));
    co_return stopped_before(start, try_number);
  }
  pod.facts = read_pod(*made, pod.container);
  pod.uid = pod.facts.uid;
  pod.created = true;
  *made = Json();
  listener.placed(pod.name);
  if (pod.stopped) background.spawn(remove_pod(space, pod.name));

  PodCase one{.step = start.step, .namespace_ = space.name, .settings = start.settings, .limit_memory = policy.limit_memory};
  one.tries = try_number + 1;
  loop::TaskGroup readers(loop);
  PodVerdict verdict = co_await follow(pod, one, listener, readers);
  co_await finish_log(pod, one.report, listener, readers);
  delist(pod);
  space.ended.notify();

  again = verdict.again && !one.stopped;
  const bool well = verdict.outcome == PodOutcome::done;
  // What has not ended by itself would go on, and a lost pod may still run on a node that nobody hears.
  const bool unfinished = !pod.gone && (!pod.facts.settled() || pod.facts.others_run || again);
  if (unfinished && !(well && !pod.facts.others_run)) background.spawn(remove_pod(space, pod.name));
  if (well) done_pods(space, pod.name);

  PodEnd end{.outcome = verdict.outcome, .exit_code = verdict.exit_code, .report = one.report, .pod = pod.name, .namespace_ = space.name};
  end.peak_kb = one.report ? one.report->peak_kb : 0;
  end.lines = pod.log.last_seq();
  end.tries = try_number + 1;
  end.started = try_number > 0 || pod.facts.started || pod.facts.end || verdict.outcome != PodOutcome::stopped;
  end.cause = std::move(verdict.cause);
  co_return end;
}

void ClusterState::done_pods(RunNamespace& space, const std::string& name) {
  done.emplace_back(&space, name);
  if (done.size() <= kDonePodsMax) return;
  background.spawn(remove_pod(*done.front().first, done.front().second));
  done.pop_front();
}

loop::Async<Result<PodEnd>> ClusterState::run_attempt(PodStart start, PodListener& listener) {
  for (int try_number = 0;; ++try_number) {
    if (removing) co_return stopped_before(start, try_number);
    bool again = false;
    auto end = co_await run_try(start, try_number, listener, again);
    if (!end || !again || removing) co_return end;
    if (!start.alone) {
      end->may_repeat = true;
      co_return end;
    }
    if (try_number + 1 >= policy.tries_max) {
      if (end->cause) end->cause->why += fmt::format(" (try {} of {})", try_number + 1, policy.tries_max);
      co_return end;
    }
    listener.note(fmt::format("Pod {} is lost ({}); the same attempt is tried again, try {} of {}", end->pod, end->cause->why, try_number + 2,
                              policy.tries_max));
  }
}

}  // namespace headrace::launch
