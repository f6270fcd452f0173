#include "cli/cluster.h"

#include <cstdlib>
#include <random>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/bootstrap.h"
#include "console/error_block.h"
#include "kube/access.h"
#include "launch/pod_policy.h"

namespace headrace::cli {

Result<std::unique_ptr<kube::Client>> open_client(loop::EventLoop& loop, console::Output& err) {
  kube::ClientSettings settings;
  settings.seed = std::random_device{}();
  settings.on_waiting = [&err](const Error& why, Duration waited) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
    console::say(err, fmt::format("Waiting for the cluster since {} s: {}{}{}", seconds, why.what, why.why.empty() ? "" : ": ", why.why));
    err.flush();
  };
  auto access = HR_TRY(kube::find_access(kube::Environment::of_process()));
  return kube::Client::make(loop, std::move(access), std::move(settings));
}

Result<Cluster> open_cluster(loop::EventLoop& loop, loop::WorkerPool& pool, console::Output& err) {
  auto policy = HR_TRY(launch::pod_policy_from([](const std::string& name) -> const char* { return std::getenv(name.c_str()); }));
  Cluster cluster{.client = HR_TRY(open_client(loop, err)), .launcher = {}, .start_lease = policy.start_lease};
  cluster.launcher =
      std::make_unique<launch::ClusterLauncher>(loop, *cluster.client, pool, std::move(policy), std::string(agent::bootstrap_text()));
  return cluster;
}

}  // namespace headrace::cli
