#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/access.h"
#include "kube/testing/fake_store.h"
#include "loop/event_loop.h"
#include "net/testing/http_server.h"

namespace headrace::kube::testing {

/// A simulated Kubernetes API server on 127.0.0.1, on the loop of the test: real HTTP, no control plane. What schedulers,
/// kubelets and controllers would do, the test does, by hand or from `on_pod`.
///
/// Objects of any kind are stored, listed (selectors, pages), watched (bookmarks on demand), patched and deleted; see
/// FakeStore for what is refused. A deleted pod that runs ends first: it gets its deletionTimestamp, and is gone in a
/// later turn (`keep_deleted` holds it). Owned objects go with their owner.
class FakeCluster {
 public:
  explicit FakeCluster(loop::EventLoop& loop);
  ~FakeCluster();
  FakeCluster(const FakeCluster&) = delete;
  FakeCluster& operator=(const FakeCluster&) = delete;

  /// With the token it wants, and the namespace `ml`, which exists.
  [[nodiscard]] Access access() const;

  // Objects, as controllers see them. `resource` as in Key.
  [[nodiscard]] const codec::Json* find(const std::string& resource, const std::string& ns, const std::string& name) const;
  [[nodiscard]] std::vector<std::string> names(const std::string& resource, const std::string& ns) const;
  /// Creates or replaces. Broken invariant if the store refuses it.
  void put(const std::string& resource, const std::string& ns, codec::Json object);
  void remove(const std::string& resource, const std::string& ns, const std::string& name);
  void add_namespace(const std::string& name, std::map<std::string, std::string> labels = {});
  /// `cpu` as `4`, `memory` as `31000M`.
  void add_node(const std::string& name, const std::string& cpu, const std::string& memory);

  // Pods, as kubelets see them.
  /// Called in a later turn for each pod that was created.
  std::function<void(const std::string& ns, const std::string& pod)> on_pod;
  /// Merges into the pod's status (RFC 7396).
  void set_status(const std::string& ns, const std::string& pod, const codec::Json& merge);
  /// Pending, with the condition PodScheduled=False.
  void unschedulable(const std::string& ns, const std::string& pod, const std::string& message);
  /// Pending, its container waiting for that reason (ErrImagePull, CreateContainerConfigError, ...).
  void waiting(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message);
  void run(const std::string& ns, const std::string& pod, const std::string& node = "node-1");
  /// Appends to the pod's log; followers get it.
  void log(const std::string& ns, const std::string& pod, const std::string& text);
  /// The container has ended; `termination` is the text of /dev/termination-log.
  void finish(const std::string& ns, const std::string& pod, int exit_code, const std::string& reason = "",
              const std::string& termination = "");
  /// Failed without a word of the container: evicted, preempted, node lost, deadline.
  void fail(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message);
  /// Deleted pods that run stay, terminating, until this is false again.
  void keep_deleted(bool on);
  /// An event about a pod (FailedScheduling, Preempted, ...).
  void event(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message);

  // Trouble.
  struct Fault {
    int status = 500;              ///< 0: the connection is cut after the request was carried out
    std::string reason, message;
    std::optional<int> retry_after;
    bool carried_out = false;      ///< the request was done all the same; its answer was lost
    std::string verb, resource;    ///< only these; empty: any
  };
  /// The next `count` requests that fit are answered so.
  void fail_next(std::size_t count, Fault fault);
  /// RBAC: `verb` on `resource` (`pods`, `pods/log`, `batch/jobs`) is forbidden from now on.
  void forbid(const std::string& verb, const std::string& resource);
  void allow_all();
  /// Versions up to now are too old: open watches end with the ERROR 410.
  void forget_history();
  /// Ends open watches in order, as after their timeoutSeconds.
  void end_watches();
  /// Sends a bookmark on each open watch.
  void bookmark();
  /// Resets each connection.
  void cut_connections();
  /// While true, nothing is sent on watches and nothing is answered: a peer that vanished without a word.
  void vanish(bool on);
  /// What is said instead of the token, from now on 401 for others.
  void set_token(const std::string& token);

  /// Requests so far by `verb resource` (`create pods`, `watch pods`, `get pods/log`); refused ones count too.
  [[nodiscard]] std::size_t count(const std::string& verb_and_resource) const;
  [[nodiscard]] std::size_t requests() const;
  /// What was not well formed: must be 0 at each test's end.
  [[nodiscard]] std::size_t malformed() const;
  [[nodiscard]] std::size_t open_watches() const;
  [[nodiscard]] std::size_t open_logs() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace headrace::kube::testing
