#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/client.h"
#include "kube/pod_watch.h"
#include "launch/agent_maps.h"
#include "launch/placement.h"
#include "launch/pod_failure.h"
#include "launch/pod_launcher.h"
#include "launch/pod_log.h"
#include "launch/pod_policy.h"
#include "launch/pod_state.h"
#include "launch/renewals.h"
#include "launch/run_owner.h"
#include "launch/wait_notes.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/stop.h"
#include "loop/task_group.h"
#include "loop/worker_pool.h"

/// What the parts of ClusterLauncher share; only they include this.
namespace headrace::launch {

inline constexpr int kLogStreamsMax = 256;
/// With those of pods that have ended. Below what the client allows (kube::ClientSettings::streams_max), which watches need too.
inline constexpr int kLogReadsMax = 512;
/// Pods that have succeeded are removed at the run's end, all at once; a longer run removes the oldest meanwhile.
inline constexpr std::size_t kDonePodsMax = 200;
/// An error in a line of the run's or the task's.
[[nodiscard]] inline std::string in_short(const Error& error) { return error.why.empty() ? error.what : error.what + ": " + error.why; }
/// A pod whose grace is over for this long is on a node that does not answer.
inline constexpr std::chrono::seconds kDeletionPatience{30};

struct LivePod;

/// One namespace that the run uses.
struct RunNamespace {
  RunNamespace(loop::EventLoop& loop, kube::Client& client, const RunName& run, std::string ns, Duration lease)
      : name(ns), owner(loop, client, run, ns, lease), watch(loop, client, ns, run_selector(run)), ended(loop) {}

  std::string name;
  bool restricted = false;
  AgentMaps agent;
  RunOwner owner;
  bool owned = false;  ///< the owner exists
  kube::PodWatch watch;
  loop::Event ended;   ///< a pod of ours has ended: a quota may have room
  /// Who waits for room in a quota, in order; those that ask for the same stand in one line.
  std::map<const wire::PodSettings*, std::list<LivePod*>> quota_lines;
  std::map<std::string, WaitCrowd> crowds;  ///< by what they wait for
  std::map<std::string, std::string> warnings;  ///< the last event about a pod that its status does not tell
  bool warnings_denied = false;
  std::optional<Instant> warnings_looked;
};

/// One try of an attempt, from its create to the end of its log.
struct LivePod {
  explicit LivePod(loop::EventLoop& loop) : changed(loop) {}

  std::string name;
  std::string uid;
  std::string container;
  std::string label;
  int attempt = 0;
  RunNamespace* space = nullptr;
  loop::Event changed;
  bool created = false;
  bool seen = false;     ///< the watch has told of it
  bool gone = false;
  bool stopped = false;  ///< by us
  bool news = false;     ///< something has changed since its follower looked
  PodFacts facts;

  PodLog log;
  std::shared_ptr<loop::Stop> stop_reading;  ///< of its log, while it is read
  bool reading = false;
  bool queued = false;   ///< there is no room for its stream, or for its lines, yet
  bool read = false;     ///< its reader has ended
  bool abandoned = false;  ///< its reader shall end

  /// Something has changed: wakes its follower, or has it look again if it is just asking the cluster something.
  void tell() {
    news = true;
    changed.notify();
  }
  /// Its log grows no more.
  [[nodiscard]] bool over() const { return gone || facts.ended(); }
};

struct ClusterState {
  ClusterState(loop::EventLoop& event_loop, kube::Client& kube_client, loop::WorkerPool& worker_pool, PodPolicy pod_policy, std::string text)
      : loop(event_loop),
        client(kube_client),
        pool(worker_pool),
        policy(std::move(pod_policy)),
        bootstrap(std::move(text)),
        closing(event_loop),
        background(event_loop) {}

  loop::EventLoop& loop;
  kube::Client& client;
  loop::WorkerPool& pool;
  PodPolicy policy;
  std::string bootstrap;

  RunName run;
  std::vector<PodStep> steps;
  std::function<void(std::string)> note;
  std::shared_ptr<const AgentFile> agent;
  std::map<std::string, std::unique_ptr<RunNamespace>> spaces;
  std::map<std::string, LivePod*> pods;  ///< by `namespace/name`
  std::map<std::pair<std::string, int>, LivePod*> attempts;  ///< the same by label and attempt: one try of each lives
  std::deque<std::pair<RunNamespace*, std::string>> done;  ///< succeeded, oldest first

  bool removing = false;
  bool closed = false;
  int creating = 0;      ///< creates whose answer has not come
  int streams = 0;       ///< of logs, open or about to be
  std::optional<std::vector<NodeFacts>> nodes;
  bool nodes_denied = false;
  std::optional<Instant> nodes_looked;
  loop::Event closing;
  loop::TaskGroup background;

  // cluster_launcher.cc
  loop::Async<Result<void>> begin();
  loop::Async<Result<void>> check_cluster();
  loop::Async<Result<void>> check_steps();
  loop::Async<Result<void>> try_create(const PodStep& step);
  loop::Async<Result<void>> prepare(RunNamespace& space);
  loop::Async<void> dispatch(RunNamespace& space);
  loop::Async<void> hold_lease(RunNamespace& space);
  loop::Async<void> look_at_nodes();
  loop::Async<Result<void>> end();
  loop::Async<void> close();
  [[nodiscard]] PodPlan plan_for(const RunNamespace& space, const PodStart& start, int try_number) const;

  // cluster_pod.cc
  loop::Async<Result<PodEnd>> run_attempt(PodStart start, PodListener& listener);
  loop::Async<Result<PodEnd>> run_try(const PodStart& start, int try_number, PodListener& listener, bool& again);
  void enlist(LivePod& pod);
  void delist(LivePod& pod);
  loop::Async<Result<codec::Json>> create(LivePod& pod, const PodStart& start, int try_number, PodListener& listener);
  loop::Async<Result<codec::Json>> adopt(LivePod& pod);
  loop::Async<PodVerdict> follow(LivePod& pod, PodCase& one, PodListener& listener, loop::TaskGroup& readers);
  void done_pods(RunNamespace& space, const std::string& name);
  loop::Async<void> look_directly(LivePod& pod);
  loop::Async<void> look_at_warnings(RunNamespace& space);
  loop::Async<std::string> explain(const PodCase& one, const PodWait& wait);
  void look(LivePod& pod) const;

  // cluster_log.cc
  loop::Async<void> read_log(LivePod& pod, PodListener& listener);
  loop::Async<void> finish_log(LivePod& pod, const std::optional<wire::AgentReport>& report, PodListener& listener, loop::TaskGroup& readers);
  loop::Async<Result<void>> read_whole(std::string ns, std::string pod, std::uint64_t seq, PodListener& listener);
  loop::Async<Result<void>> copy_stream(LivePod& pod, kube::LogOptions options, PodListener& listener);
  void give(const std::vector<PodLine>& lines, PodListener& listener) const;

  // cluster_removal.cc
  loop::Async<void> remove_pod(RunNamespace& space, std::string name);
  loop::Async<Result<void>> remove_pods(RunNamespace& space, std::string fields, bool force);
  loop::Async<void> remove_space(RunNamespace& space, Removed& removed, std::optional<Error>& failure);
  loop::Async<Result<Removed>> remove_all();
};

}  // namespace headrace::launch
