// Steps whose tasks are several pods at once (@parallel), with pods that are fake.
#include "run/pod_nodes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run/testing/pod_run.h"
#include "sched/testing/flows.h"

namespace headrace::run {
namespace {

using launch::PodEnd;
using launch::PodOutcome;
using loop::Async;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::PodRun;
using sched::testing::pod;
using Pod = launch::testing::FakePodLauncher::Pod;

flow::Graph nodes(int retries = 0) {
  auto node = pod(sched::testing::linear("node", "gather"));
  node.user_retries = retries;
  return sched::testing::graph({pod(sched::testing::parallel("start", "node", "gather")), node, pod(sched::testing::join("gather", "end")),
                                pod(sched::testing::end())});
}

/// What steps but `node` do; `node` is three tasks.
PodEnd others(const Pod& pod) {
  if (pod.start.step == "start") return PodRun::success({"node"}, 3);
  return pod.start.step == "gather" ? PodRun::success({"end"}) : PodRun::success({});
}

bool is_control(const Pod& pod) { return pod.start.agent_spec.part == wire::ParallelRole::control; }

/// The three nodes run until they are removed.
void run_until_removed(PodRun& world) {
  world.pods.play = [&world](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    if (is_control(pod)) pod.listener.reachable("10.0.0.7");
    auto end = co_await world.pods.until_stopped(pod);
    co_return end;
  };
}

TEST(PodNodes, StartWhenNodeZeroIsReachableAndAllMustSucceed) {
  PodRun world(nodes());
  std::vector<std::string> told;
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    EXPECT_FALSE(pod.start.alone);
    EXPECT_EQ(pod.start.agent_spec.num_parallel, 3);
    if (is_control(pod)) {
      EXPECT_EQ(world.pods.started.size(), 2u) << "no other node yet";
      pod.listener.reachable("10.0.0.7");
      pod.listener.reachable("10.0.0.7");
      co_return PodRun::success({"gather"});
    }
    const wire::AgentSpec& spec = pod.start.agent_spec;
    told.push_back(fmt::format("{} {} {} {}", pod.start.label.substr(pod.start.label.find('/') + 1), spec.node_index, spec.control_task,
                               spec.environment.at("HEADRACE_PARALLEL_MAIN_IP")));
    pod.listener.output(false, world.loop.wall_now(), 1, "a node");
    co_return PodRun::success({"gather"});
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_THAT(told, ElementsAre("node/2_node_1 1 2 10.0.0.7", "node/2_node_2 2 2 10.0.0.7"));
  EXPECT_THAT(world.out(), HasSubstr("[RUN/node/2_node_2 (pid N)] [pod pod-4] a node\n"));
  EXPECT_THAT(world.out(), HasSubstr("[RUN/node/2 (pid N)] Task finished successfully.\n"));
  EXPECT_EQ(world.stored("node/2_node_1/0.runtime"), R"({"return_code": 0, "killed": false, "success": true})");
  const auto& gather = world.pods.started.at(4).agent_spec;
  ASSERT_EQ(gather.inputs.size(), 3u);
  EXPECT_EQ(gather.inputs[2].task.str(), "2_node_2");
}

TEST(PodNodes, OneThatFailsEndsTheOthersAndTheStepIsTriedAgainWhole) {
  PodRun world(nodes(1));
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    if (is_control(pod)) pod.listener.reachable("10.0.0.7");
    if (pod.start.attempt == 1) co_return PodRun::success({"gather"});
    if (pod.start.label.ends_with("_node_2")) {
      co_return PodRun::failure(PodOutcome::out_of_memory, 137, Error{.kind = Kind::failed, .what = "the task ran out of memory"});
    }
    auto end = co_await world.pods.until_stopped(pod);
    co_return end;
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_THAT(world.out(), HasSubstr("[RUN/node/2 (pid N)] Task RUN/node/2_node_2 of the 3 of this @parallel step failed: the others are ended.\n"
                                     "[RUN/node/2 (pid N)] Kubernetes error: the task ran out of memory\n"
                                     "[RUN/node/2 (pid N)] Task failed.\n"));
  EXPECT_THAT(world.out(), HasSubstr("Task is starting (retry)."));
  EXPECT_THAT(world.out(), Not(HasSubstr("the pod was removed"))) << "that was our doing";
  EXPECT_EQ(world.pods.started.size(), 1u + 3 + 3 + 2);
  EXPECT_EQ(world.stored("node/2_node_1/0.runtime"), R"({"return_code": 137, "killed": true, "success": false})");
  EXPECT_EQ(world.stored("node/2_node_1/1.runtime"), R"({"return_code": 0, "killed": false, "success": true})");
}

TEST(PodNodes, AreTriedAgainWholeWhenTheClusterHasLostOne) {
  PodRun world(nodes());
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    if (is_control(pod)) pod.listener.reachable("10.0.0.7");
    if (pod.start.attempt == 1) {
      EXPECT_EQ(pod.start.agent_spec.max_user_code_retries, 1) << "no fallback";
      co_return PodRun::success({"gather"});
    }
    if (pod.start.label.ends_with("_node_2")) {
      auto lost = PodRun::failure(PodOutcome::lost, 1, Error{.kind = Kind::failed, .what = "the pod was evicted"});
      lost.may_repeat = true;
      co_return lost;
    }
    auto end = co_await world.pods.until_stopped(pod);
    co_return end;
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_THAT(world.out(), HasSubstr("[RUN/node/2 (pid N)] Kubernetes error: the pod was evicted\n"
                                     "[RUN/node/2 (pid N)] Task failed.\n"
                                     "[RUN/node/2 (pid N)] It was lost with what it ran on: it is tried again, which @retry does not count (1 of 3).\n"
                                     "[RUN/node/2 (pid N)] Task is starting (retry).\n"));
  EXPECT_EQ(world.pods.started.size(), 1u + 3 + 3 + 2);
}

TEST(PodNodes, EndWithNodeZero) {
  PodRun world(nodes());
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    if (is_control(pod)) {
      pod.listener.reachable("10.0.0.7");
      co_await world.pods.until_running(3);
      co_return PodRun::failure(PodOutcome::task_failed, 1);
    }
    auto end = co_await world.pods.until_stopped(pod);
    co_return end;
  };
  EXPECT_EQ(world.run(), 1);
  EXPECT_EQ(world.pods.started.size(), 4u);
  EXPECT_THAT(world.err(), HasSubstr("Step node (task-id 2) failed."));
  EXPECT_THAT(world.out(), Not(HasSubstr("Kubernetes error")));
}

TEST(PodNodes, ThatWereNeverStartedAreAFailure) {
  PodRun world(nodes());
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step != "node") co_return others(pod);
    co_return PodRun::success({"gather"});
  };
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.out(), HasSubstr("Kubernetes error: the other 2 nodes of the step were not started"));
}

TEST(PodNodes, AreRemovedByAnInterrupt) {
  PodRun world(nodes());
  run_until_removed(world);
  world.loop.spawn(world.interrupt_when_running(3));
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.out(), HasSubstr("Removed 3 pods of this run in namespace default."));
  EXPECT_THAT(world.out(), Not(HasSubstr("of this @parallel step failed")));
}

TEST(PodNodes, AreSaidToBeLeftAfterTheSecondInterrupt) {
  PodRun world(nodes());
  world.pods.removal_hangs = true;
  run_until_removed(world);
  world.loop.spawn(world.interrupt_twice(3));
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.err(), HasSubstr("3 pods of this run may still exist"));
}

}  // namespace
}  // namespace headrace::run
