#pragma once

#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "launch/cluster_launcher.h"
#include "launch/testing/fake_cluster.h"
#include "launch/testing/pod_parts.h"

namespace headrace::launch::testing {

inline constexpr const char* kReport = R"({"headrace_agent": 1, "stage": "done", "exit_code": 0, "signal": 0, "peak_kb": 81000, "lines_stored": 2,
  "python_version": "3.11.7", "committed": {"ok": true, "transition": null}, "trouble": null})";
inline constexpr Duration kPatience = 20s;

/// A launcher on a fake cluster with one namespace, `ml`, and one node.
struct World {
  World() : cluster(loop), pool(loop, 1), heard(loop), policy(), agent(write_agent()) {
    settings.image = "python:3.11";
    settings.namespace_ = "ml";
    settings.cpu = "0.1";
    cluster.add_namespace("ml");
    cluster.add_node("node-1", "2", "24G");
    policy.agent_file = agent;
  }
  ~World() { ::unlink(agent.c_str()); }

  ClusterLauncher& make() {
    launcher = std::make_unique<ClusterLauncher>(loop, cluster, pool, policy, "print()");
    return *launcher;
  }
  loop::Async<Result<void>> begin() {
    make();
    RunName run{.root = "s3://b/p", .flow = "F", .run = "7", .user = "ann"};
    std::vector<PodStep> steps{PodStep{.step = "work", .settings = &settings}};
    std::function<void(std::string)> note = [this](std::string line) { notes.push_back(std::move(line)); };
    return launcher->begin(std::move(run), std::move(steps), std::move(note));
  }
  PodStart start(int task = 1) {
    PodStart pod{.step = "work", .label = fmt::format("7/work/{}", task), .settings = &settings};
    pod.agent_spec.flow = "F";
    return pod;
  }
  /// One attempt, in the background.
  loop::Async<void> attempt(std::optional<Result<PodEnd>>& end, int task = 1) {
    end = co_await launcher->run(start(task), heard);
    heard.changed.notify();
  }
  /// Waits until something that the listener hears makes it true.
  loop::Async<void> until(std::function<bool()> condition) {
    const Instant deadline = loop.now() + kPatience;
    bool in_time = true;
    while (!condition() && in_time) in_time = co_await heard.changed.wait_until(deadline);
    EXPECT_TRUE(condition());
  }
  loop::Async<void> placed(std::size_t count) {
    return until([this, count] { return heard.pods.size() >= count; });
  }
  loop::Async<void> printed(std::size_t count) {
    return until([this, count] { return heard.lines.size() >= count; });
  }
  loop::Async<void> noted(std::size_t count) {
    return until([this, count] { return heard.notes.size() >= count; });
  }
  loop::Async<void> ended(const std::optional<Result<PodEnd>>& end) {
    return until([&end] { return end.has_value(); });
  }
  /// One attempt, in the background; the name of its pod, when that is placed.
  loop::Async<std::string> first_pod(std::optional<Result<PodEnd>>& end) {
    loop.spawn(attempt(end));
    co_await placed(1);
    co_return heard.pods[0];
  }
  /// Waits until something that nobody tells of is true.
  loop::Async<void> reached(std::function<bool()> condition) {
    const Instant deadline = loop.now() + kPatience;
    while (!condition() && loop.now() < deadline) co_await loop.yield();
    EXPECT_TRUE(condition());
  }
  /// Lets all that is under way go on.
  loop::Async<void> settle() {
    for (int turn = 0; turn < 100; ++turn) co_await loop.yield();
  }
  /// Waits until each of so many attempts has asked for its pod and has its answer; `begin` has asked once, for nothing.
  loop::Async<void> asked(std::size_t pods) {
    const std::function<bool()> all = [this, pods] { return cluster.count("POST /api/v1/namespaces/ml/pods") > pods; };
    co_await reached(all);
    co_await settle();
  }
  /// Runs the body between a good begin and an end.
  void play(std::function<loop::Async<void>()> body) {
    auto whole = [this, body]() -> loop::Async<void> {
      auto begun = co_await begin();
      EXPECT_TRUE(begun.ok()) << (begun ? "" : to_text(begun.error()));
      if (!begun) co_return;
      co_await body();
      auto ended = co_await launcher->end();
      EXPECT_TRUE(ended.ok());
    };
    loop.block_on(whole());
  }
  [[nodiscard]] std::vector<std::string> pods() const { return cluster.names("/api/v1/namespaces/ml/pods"); }
  [[nodiscard]] std::vector<std::string> jobs() const { return cluster.names("/apis/batch/v1/namespaces/ml/jobs"); }

  Duration slept{0};  ///< the machine, so far
  loop::EventLoop loop{[this] { return time_since_boot() + slept; }};
  FakeCluster cluster;
  loop::WorkerPool pool;
  Heard heard;
  PodPolicy policy;
  wire::PodSettings settings;
  std::vector<std::string> notes;
  std::string agent;
  std::unique_ptr<ClusterLauncher> launcher;
};

/// A line of a pod's log, as the agent writes it.
inline std::string framed(int seq, const std::string& text) { return fmt::format("HR|{}|o|2026-01-02T03:04:05.678901Z|{}\n", seq, text); }

}  // namespace headrace::launch::testing
