#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "launch/pod_launcher.h"
#include "loop/event.h"
#include "loop/event_loop.h"

namespace headrace::launch::testing {

/// Pods in memory: each does what the test's `play` says. Stricter than a cluster: an attempt that is started twice, a pod before
/// `begin` and anything after `end` stop the test.
class FakePodLauncher final : public PodLauncher {
 public:
  explicit FakePodLauncher(loop::EventLoop& loop);

  /// A started pod, for `play`.
  struct Pod {
    PodStart start;
    PodListener& listener;
    std::string name;  ///< `pod-<number>`; already placed
    bool stopped = false;
  };
  /// What a pod does; its end. Without one a pod runs until it is removed.
  std::function<loop::Async<Result<PodEnd>>(Pod& pod)> play;

  /// Waits until so many pods run.
  [[nodiscard]] loop::Async<void> until_running(std::size_t count);
  /// Waits until `begin` was asked.
  [[nodiscard]] loop::Async<void> until_begun();
  /// Waits until `remove_all` was asked.
  [[nodiscard]] loop::Async<void> until_removing();
  /// Waits until the pod is to end; gives what it then says.
  [[nodiscard]] loop::Async<Result<PodEnd>> until_stopped(Pod& pod);

  Result<void> begin_answer;
  /// `begin` works until `give_up`.
  bool begin_hangs = false;
  /// ... or goes on after it, as with a cluster that does not answer.
  bool deaf = false;
  /// `remove_all` never comes back.
  bool removal_hangs = false;
  /// What `read_log` gives: numbered lines of stdout.
  std::vector<std::string> log;

  // What happened.
  std::optional<RunName> begun;
  std::vector<std::string> begun_steps;
  std::vector<PodStart> started;
  bool given_up = false;
  bool removing = false;
  bool ended = false;
  std::size_t running_most = 0;

  loop::Async<Result<void>> begin(RunName run, std::vector<PodStep> steps, std::function<void(std::string)> note) override;
  void give_up() override;
  loop::Async<Result<PodEnd>> run(PodStart start, PodListener& listener) override;
  loop::Async<Result<void>> read_log(std::string namespace_, std::string pod, std::uint64_t seq, PodListener& listener) override;
  void stop(std::string_view label, int attempt) override;
  loop::Async<Result<Removed>> remove_all() override;
  [[nodiscard]] std::vector<std::string> alive() const override;
  loop::Async<Result<void>> end() override;

 private:
  loop::EventLoop& loop_;
  loop::Event changed_;
  std::set<std::string> attempts_;
  std::map<std::string, Pod*> running_;
};

}  // namespace headrace::launch::testing
