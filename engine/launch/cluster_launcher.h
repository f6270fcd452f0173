#pragma once

#include <memory>
#include <string>

#include "kube/client.h"
#include "launch/pod_launcher.h"
#include "launch/pod_policy.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"

namespace headrace::launch {

/// Attempts as pods of a real cluster: design section 4, docs/guide/kubernetes.md.
///
/// In each namespace in use: one owner object with a lease, one list and watch, the agent's config maps. For each pod: one
/// create and one log stream while it runs, at most 256 at a time; pods beyond that are read when they have ended. Nothing is polled.
class ClusterLauncher final : public PodLauncher {
 public:
  /// All references must outlive the launcher. `bootstrap` is what a pod's Python runs first.
  ClusterLauncher(loop::EventLoop& loop, kube::Client& client, loop::WorkerPool& pool, PodPolicy policy, std::string bootstrap);
  ~ClusterLauncher() override;

  [[nodiscard]] loop::Async<Result<void>> begin(RunName run, std::vector<PodStep> steps,
                                                std::function<void(std::string)> note) override;
  void give_up() override;
  [[nodiscard]] loop::Async<Result<PodEnd>> run(PodStart start, PodListener& listener) override;
  [[nodiscard]] loop::Async<Result<void>> read_log(std::string namespace_, std::string pod, std::uint64_t seq,
                                                   PodListener& listener) override;
  void stop(std::string_view label, int attempt) override;
  [[nodiscard]] loop::Async<Result<Removed>> remove_all() override;
  [[nodiscard]] std::vector<std::string> alive() const override;
  [[nodiscard]] loop::Async<Result<void>> end() override;

 private:
  std::unique_ptr<struct ClusterState> state_;
};

}  // namespace headrace::launch
