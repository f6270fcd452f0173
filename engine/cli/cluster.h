#pragma once

#include <memory>

#include "base/result.h"
#include "console/output.h"
#include "kube/client.h"
#include "launch/cluster_launcher.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"

namespace headrace::cli {

/// What a run with pods needs of a cluster. Destroyed in the order launcher, client.
struct Cluster {
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<launch::ClusterLauncher> launcher;
  Duration start_lease{};  ///< of PodPolicy
};

/// Finds the cluster that this process uses; nothing is asked of it yet. `loop`, `pool` and `err` must outlive it. A wait for the API
/// server is said on `err`. Errors (misuse, missing) as of kube::find_access and of the variables of launch::PodPolicy.
Result<Cluster> open_cluster(loop::EventLoop& loop, loop::WorkerPool& pool, console::Output& err);

/// A client of that cluster alone.
Result<std::unique_ptr<kube::Client>> open_client(loop::EventLoop& loop, console::Output& err);

}  // namespace headrace::cli
