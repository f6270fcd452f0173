#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "kube/client.h"
#include "launch/pod_manifest.h"
#include "loop/async.h"
#include "loop/event.h"

namespace headrace::launch {

/// `hr-run-<16 digits of the run's key>`.
[[nodiscard]] std::string owner_name(const RunName& run);
/// An empty Job: no pod of its own, gone by itself when its deadline has passed, and its dependents with it.
[[nodiscard]] codec::Json owner_manifest(const RunName& run, const std::string& ns, Duration lease);

/// Owns a run's pods in one namespace, for as long as somebody moves its deadline forward.
///
/// The deadline of a Job counts from its start; what is written is the time that has passed since then and the lease. When the
/// launcher is gone, the cluster itself removes the Job and every pod of it after the lease.
class RunOwner {
 public:
  RunOwner(loop::EventLoop& loop, kube::Client& client, RunName run, std::string ns, Duration lease);
  RunOwner(const RunOwner&) = delete;
  RunOwner& operator=(const RunOwner&) = delete;

  /// Makes it, or takes the one that is there (a run that goes on); waits for one that is just being deleted. Errors as kube::refusal.
  [[nodiscard]] loop::Async<Result<void>> ensure();
  /// The lease starts anew, or at `lease` instead. Error `missing` when somebody has deleted it.
  [[nodiscard]] loop::Async<Result<void>> renew(Duration lease);
  [[nodiscard]] loop::Async<Result<void>> renew() { return renew(lease_); }
  /// Deletes it; the cluster deletes what is left of its pods.
  [[nodiscard]] loop::Async<Result<void>> remove();

  [[nodiscard]] const Owner& owner() const { return owner_; }
  [[nodiscard]] Duration lease() const { return lease_; }

 private:
  [[nodiscard]] std::string path() const;
  void take(const codec::Json& job);

  loop::EventLoop& loop_;
  kube::Client& client_;
  RunName run_;
  std::string namespace_;
  Duration lease_;
  Owner owner_;
  Duration started_{};  ///< of its deadline's clock, as `uptime` of the loop
};

}  // namespace headrace::launch
