// Whole runs with pods that are fake: what the driver asks of them, prints, stores and decides.
#include "run/pod_attempt.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
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

flow::Graph two_pods() { return sched::testing::graph({pod(sched::testing::linear("start", "end")), pod(sched::testing::end())}); }
flow::Graph one_pod() { return sched::testing::graph({pod(sched::testing::linear("start", "end")), sched::testing::end()}); }

TEST(PodAttempt, LinesOfAPodAreShownWithItsName) {
  PodRun world(two_pods());
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step == "start") pod.listener.note("Pod is pending: no node");
    pod.listener.output(false, world.loop.wall_now(), 1, "hello from " + pod.start.step);
    PodEnd end = pod.start.step == "start" ? PodRun::success({"end"}) : PodRun::success({});
    end.lines = end.report->lines_stored = 1;
    co_return end;
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_EQ(world.out(),
            "Workflow starting (run-id RUN):\n"
            "the cluster is a fake\n"
            "[RUN/start/1 (pid N)] Task is starting.\n"
            "[RUN/start/1 (pid N)] [pod pod-1] Pod is pending: no node\n"
            "[RUN/start/1 (pid N)] [pod pod-1] hello from start\n"
            "[RUN/start/1 (pid N)] Task finished successfully.\n"
            "[RUN/end/2 (pid N)] Task is starting.\n"
            "[RUN/end/2 (pid N)] [pod pod-2] hello from end\n"
            "[RUN/end/2 (pid N)] Task finished successfully.\n"
            "Done!\n");
  EXPECT_EQ(world.err(), "");
  EXPECT_TRUE(world.pods.ended);
  EXPECT_THAT(world.pods.begun_steps, ElementsAre("start", "end"));
  EXPECT_EQ(world.stored("start/1/0.runtime"), R"({"return_code": 0, "killed": false, "success": true})");
  EXPECT_THAT(world.stored("start/1/0.runtime_stderr.log"), HasSubstr("[pod pod-1] Pod is pending: no node"));
  EXPECT_EQ(world.stored("start/1/0.runtime_stdout.log"), "") << "the pod stores its own lines";
}

TEST(PodAttempt, TheAgentIsToldWhatToRun) {
  PodRun world(two_pods());
  std::vector<wire::AgentSpec> specs;
  std::vector<launch::PodStart> starts;
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    specs.push_back(pod.start.agent_spec);
    starts.push_back(pod.start);
    co_return pod.start.step == "start" ? PodRun::success({"end"}) : PodRun::success({});
  };
  EXPECT_EQ(world.run(), 0);
  ASSERT_EQ(specs.size(), 2u);
  const wire::AgentSpec& end = specs[1];
  EXPECT_EQ(end.step.str(), "end");
  ASSERT_EQ(end.inputs.size(), 1u);
  EXPECT_EQ(end.inputs[0].str(), world.run_id() + "/start/1");
  EXPECT_EQ(end.parameters.str(), world.run_id() + "/_parameters/0");
  EXPECT_THAT(end.command, ElementsAre("f.py"));
  EXPECT_EQ(end.code.sha.size(), 40u);
  EXPECT_THAT(end.code.url, HasSubstr("/data/F/data/" + end.code.sha.substr(0, 2) + "/" + end.code.sha));
  EXPECT_EQ(world.stored("../data/" + end.code.sha.substr(0, 2) + "/" + end.code.sha), "the package");
  EXPECT_EQ(end.fields.back().field, "code-package");
  EXPECT_EQ(starts[0].environment.at("METAFLOW_RUN_ID"), world.run_id());
  EXPECT_EQ(starts[0].environment.at("METAFLOW_CODE_SHA"), end.code.sha);
  EXPECT_EQ(starts[0].environment.at("METAFLOW_USER"), "ann");
  EXPECT_EQ(starts[0].label, world.run_id() + "/start/1");
}

TEST(PodAttempt, AFailureSaysItsCauseAndWhatToDo) {
  PodRun world(one_pod());
  const Error oom{.kind = Kind::failed, .what = "the task ran out of memory", .where = "default/pod-1", .why = "its limit is 100 MB",
                  .next = "raise @resources(memory=...)"};
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> { co_return PodRun::failure(PodOutcome::out_of_memory, 137, oom); };
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.out(), HasSubstr("[RUN/start/1 (pid N)] Kubernetes error: the task ran out of memory (default/pod-1)\n"
                                     "[RUN/start/1 (pid N)] why: its limit is 100 MB\n"
                                     "[RUN/start/1 (pid N)] next: raise @resources(memory=...)\n"
                                     "[RUN/start/1 (pid N)] Task failed.\n"
                                     "Workflow failed.\n"));
  EXPECT_THAT(world.err(), HasSubstr("Step start (task-id 1) failed."));
  EXPECT_THAT(world.err(), HasSubstr("the task ran out of memory: its limit is 100 MB"));
  EXPECT_THAT(world.stored("start/1/0.runtime_stderr.log"), HasSubstr("Kubernetes error: the task ran out of memory"));
  EXPECT_EQ(world.stored("start/1/0.runtime"), R"({"return_code": 137, "killed": false, "success": false})");
  EXPECT_TRUE(world.pods.ended);
  // The agent could send nothing: that the attempt has begun is known all the same.
  EXPECT_NE(world.stored("start/1/0.attempt.json"), "");
  EXPECT_TRUE(world.recorded("start/1", "_self.json"));
  EXPECT_TRUE(world.recorded("start/1", "sysmeta_code-package_"));
  EXPECT_FALSE(world.recorded("start/1", "sysmeta_attempt-done_"));
}

TEST(PodAttempt, WhatWouldFailAgainIsNotRepeated) {
  auto step = pod(sched::testing::linear("start", "end"));
  step.user_retries = 2;
  PodRun world(sched::testing::graph({step, sched::testing::end()}));
  const Error image{.kind = Kind::misuse, .what = "the image `x` cannot be pulled", .why = "not found"};
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> { co_return PodRun::failure(PodOutcome::image, -1, image); };
  EXPECT_EQ(world.run(), 1);
  EXPECT_EQ(world.pods.started.size(), 1u);
  EXPECT_THAT(world.out(), HasSubstr("This failed task will not be retried."));
  EXPECT_THAT(world.err(), HasSubstr("Step start (task-id 1) failed."));
  EXPECT_THAT(world.err(), HasSubstr("the image `x` cannot be pulled: not found"));
}

TEST(PodAttempt, WhatWouldFailAgainIsLeftToItsFallback) {
  auto step = pod(sched::testing::linear("start", "end"));
  step.user_retries = 2;
  step.fallback_retries = 1;
  PodRun world(sched::testing::graph({step, sched::testing::end()}));
  const Error image{.kind = Kind::misuse, .what = "the image `x` cannot be pulled", .why = "not found"};
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> { co_return PodRun::failure(PodOutcome::image, -1, image); };
  world.run();
  EXPECT_EQ(world.pods.started.size(), 1u);
  EXPECT_THAT(world.out(), HasSubstr("Kubernetes error: the image `x` cannot be pulled\n"));
  EXPECT_THAT(world.out(), HasSubstr("[RUN/start/1] a local task\n"));
}

TEST(PodAttempt, AFailedTaskIsRepeatedAndItsFallbackIsLocal) {
  auto step = pod(sched::testing::linear("start", "end"));
  step.user_retries = 1;
  step.fallback_retries = 1;
  PodRun world(sched::testing::graph({step, sched::testing::end()}));
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> { co_return PodRun::failure(PodOutcome::task_failed, 1); };
  EXPECT_EQ(world.run(), 1);
  ASSERT_EQ(world.pods.started.size(), 2u);
  EXPECT_EQ(world.pods.started[1].attempt, 1);
  EXPECT_THAT(world.out(), HasSubstr("[RUN/start/1 (pid N)] Task is starting (retry).\n"));
  EXPECT_THAT(world.out(), HasSubstr("[RUN/start/1] a local task\n"));
  EXPECT_THAT(world.out(), Not(HasSubstr("Kubernetes error"))) << "the task's own output has said what happened";
}

/// The node of `start` is lost after the result was stored; `and_lost` of its files too.
void lose_after_publishing(PodRun& world, std::vector<std::string> and_lost = {}) {
  world.pods.play = [&world, and_lost](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step == "end") co_return PodRun::success({});
    auto published = world.publish(pod.start);
    EXPECT_TRUE(published.ok());
    for (const std::string& file : and_lost) world.lose(file);
    co_return PodRun::failure(PodOutcome::lost, -1, Error{.what = "the node was lost"});
  };
}

TEST(PodAttempt, AResultThatOnlyTheDatastoreKnowsCounts) {
  PodRun world(two_pods());
  lose_after_publishing(world);
  EXPECT_EQ(world.run(), 0);
  EXPECT_THAT(world.out(), Not(HasSubstr("the node was lost")));
  EXPECT_THAT(world.out(), HasSubstr("[RUN/end/2 (pid N)] Task finished successfully."));
  EXPECT_TRUE(world.recorded("start/1", "0_artifact__task_ok.json")) << "its own records went with the pod";
  EXPECT_TRUE(world.recorded("start/1", "sysmeta_attempt-done_"));
}

TEST(PodAttempt, AResultWhoseMarkWasLostCounts) {
  PodRun world(two_pods());
  lose_after_publishing(world, {"start/1/0.DONE.lock"});
  EXPECT_EQ(world.run(), 0);
  EXPECT_EQ(world.pods.started.size(), 2u) << "nothing is repeated";
  EXPECT_FALSE(world.stored("start/1/0.DONE.lock").empty()) << "without it no client reads the result";
  EXPECT_TRUE(world.recorded("start/1", "sysmeta_attempt-done_"));
}

TEST(PodAttempt, TheRunHoldsItsLeaseWhileItLasts) {
  PodRun world(two_pods());
  std::string lease;
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    lease = world.stored("_headrace/lease");
    if (pod.start.step == "end") co_return PodRun::success({});
    co_return PodRun::success({"end"});
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_THAT(lease, ::testing::StartsWith("20"));
  EXPECT_EQ(world.pods.started.at(0).agent_spec.lease_s, 900);
  EXPECT_EQ(world.stored("_headrace/lease"), "");
}

TEST(PodAttempt, ExitCodeZeroWithoutAResultIsAFailure) {
  PodRun world(one_pod());
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> {
    PodEnd end;
    end.outcome = PodOutcome::done;
    co_return end;
  };
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.out(), HasSubstr("Kubernetes error: the pod ended with exit code 0, and the datastore has no result of it"));
}

TEST(PodAttempt, LinesThatAKilledAgentDidNotStoreAreStored) {
  PodRun world(one_pod());
  world.pods.log = {"first", "second", "third"};
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> {
    PodEnd end = PodRun::failure(PodOutcome::out_of_memory, 137, Error{.what = "out of memory"});
    end.lines = 3;
    end.report = wire::AgentReport{};
    end.report->lines_stored = 1;
    co_return end;
  };
  EXPECT_EQ(world.run(), 1);
  const std::string log = world.stored("start/1/0.task_stdout.log");
  EXPECT_THAT(log, HasSubstr("|task|"));
  EXPECT_THAT(log, HasSubstr("]second\n"));
  EXPECT_THAT(log, HasSubstr("]third\n"));
  EXPECT_THAT(log, Not(HasSubstr("first")));
}

TEST(PodAttempt, AClusterThatRefusesTheRunEndsItBeforeItsFirstTask) {
  PodRun world(one_pod());
  world.pods.begin_answer = Error{.kind = Kind::misuse, .what = "namespace `foo` does not exist", .next = "create it"};
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.err(), HasSubstr("Kubernetes error: namespace `foo` does not exist"));
  EXPECT_THAT(world.err(), HasSubstr("create it"));
  EXPECT_TRUE(world.pods.started.empty());
}

TEST(PodAttempt, NoMorePodsRunThanWorkersAreAllowed) {
  auto graph = sched::testing::graph({pod(sched::testing::foreach("start", "work", "gather")), pod(sched::testing::linear("work", "gather")),
                                      pod(sched::testing::join("gather", "end")), pod(sched::testing::end())});
  PodRun world(std::move(graph));
  world.spec.limits.max_workers = 3;
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    for (int i = 0; i < 5; ++i) co_await world.loop.yield();
    if (pod.start.step == "start") co_return PodRun::success({"work"}, 10);
    if (pod.start.step == "work") co_return PodRun::success({"gather"});
    if (pod.start.step == "gather") {
      EXPECT_TRUE(pod.start.agent_spec.inputs.size() == 10 && pod.start.agent_spec.join);
      co_return PodRun::success({"end"});
    }
    co_return PodRun::success({});
  };
  EXPECT_EQ(world.run(), 0);
  EXPECT_EQ(world.pods.running_most, 3u);
  EXPECT_EQ(world.pods.started.size(), 13u);
}

TEST(PodAttempt, LinesOfAPodWaitForATerminalThatIsBehind) {
  constexpr int kLines = 50;
  const std::string line(100'000, 'x');
  PodRun world(one_pod());
  const loop::UniqueFd terminal = world.read_out();
  std::size_t read = 0;
  std::size_t behind_most = 0;
  // Slower than the pod, by far.
  auto show = [&]() -> Async<void> {
    std::array<char, 16384> buffer{};
    while (true) {
      if (const auto count = ::read(terminal.get(), buffer.data(), buffer.size()); count > 0) read += static_cast<std::size_t>(count);
      co_await world.loop.yield();
    }
  };
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    for (int number = 1; number <= kLines; ++number) {
      auto room = pod.listener.room();
      co_await std::move(room);
      pod.listener.output(false, world.loop.wall_now(), number, line);
      behind_most = std::max(behind_most, number * line.size() - std::min(read, number * line.size()));
    }
    PodEnd end = PodRun::success({"end"});
    end.lines = end.report->lines_stored = kLines;
    co_return end;
  };
  world.loop.spawn(show());
  // The local step that follows cannot start here.
  EXPECT_EQ(world.run(), 1);
  EXPECT_GT(read, kLines * line.size());
  EXPECT_LT(behind_most, console::Output::kFullBytes + 3 * line.size());
}

// --- interrupts ---

TEST(PodInterrupt, RemovesEveryPodAndSaysSo) {
  std::vector<flow::StepSpec> steps{pod(sched::testing::split("start", {"a", "b"}, "j")), pod(sched::testing::linear("a", "j")),
                                    pod(sched::testing::linear("b", "j")), sched::testing::join("j", "end"), sched::testing::end()};
  PodRun world(sched::testing::graph(std::move(steps)));
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    if (pod.start.step == "start") co_return PodRun::success({"a", "b"});
    auto stopped = world.pods.until_stopped(pod);
    co_return co_await std::move(stopped);
  };
  world.loop.spawn(world.interrupt_when_running(2));
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.out(), HasSubstr("Removed 2 pods of this run in namespace default."));
  EXPECT_THAT(world.out(), Not(HasSubstr("Kubernetes error")));
  EXPECT_THAT(world.err(), HasSubstr("Aborted!"));
  EXPECT_TRUE(world.pods.alive().empty());
  EXPECT_FALSE(world.pods.ended) << "what owned the pods went with them";
  EXPECT_EQ(world.stored("a/2/0.runtime"), R"({"return_code": 137, "killed": true, "success": false})");
}

Async<void> interrupt_when_begun(PodRun& world) {
  auto begun = world.pods.until_begun();
  co_await std::move(begun);
  PodRun::interrupt();
}

TEST(PodInterrupt, EndsThePreparationOfTheCluster) {
  for (const bool deaf : {false, true}) {
    PodRun world(one_pod());
    world.pods.begin_hangs = true;
    world.pods.deaf = deaf;
    world.loop.spawn(interrupt_when_begun(world));
    EXPECT_EQ(world.run(), 1);
    EXPECT_TRUE(world.pods.given_up);
    EXPECT_TRUE(world.pods.started.empty());
    EXPECT_THAT(world.err(), HasSubstr("Aborted!"));
    EXPECT_FALSE(world.pods.ended) << "what it had made is taken back by `begin`";
  }
}

TEST(PodInterrupt, TheSecondLeavesAtOnceAndSaysWhatIsLeft) {
  PodRun world(one_pod());
  world.pods.removal_hangs = true;
  world.loop.spawn(world.interrupt_twice(1));
  EXPECT_EQ(world.run(), 1);
  EXPECT_THAT(world.err(), HasSubstr("1 pod of this run may still exist"));
  EXPECT_THAT(world.err(), HasSubstr("default/pod-1"));
  EXPECT_THAT(world.err(), HasSubstr("python f.py kubernetes kill --run-id RUN"));
}

TEST(PodInterrupt, DoesNotWaitForATerminalThatIsStopped) {
  const std::string line(std::size_t{1} << 20, 'x');
  PodRun world(one_pod());
  const loop::UniqueFd terminal = world.read_out();
  bool had_room = false;
  world.pods.play = [&](Pod& pod) -> Async<Result<PodEnd>> {
    int number = 1;
    while (number <= 2) pod.listener.output(false, world.loop.wall_now(), number++, line);
    PodRun::interrupt();
    auto room = pod.listener.room();
    co_await std::move(room);
    had_room = true;
    // More than is kept for a reader: `write` would wait.
    while (number <= 70) pod.listener.output(false, world.loop.wall_now(), number++, line);
    auto stopped = world.pods.until_stopped(pod);
    co_return co_await std::move(stopped);
  };
  EXPECT_EQ(world.run(), 1);
  EXPECT_TRUE(had_room);
  EXPECT_THAT(world.err(), HasSubstr("Aborted!"));
}

TEST(PodInterrupt, AnAttemptThatWaitsToBeRepeatedGivesUp) {
  auto step = pod(sched::testing::linear("start", "end"));
  step.user_retries = 1;
  step.retry_wait_s = 3600;
  PodRun world(sched::testing::graph({step, sched::testing::end()}));
  world.pods.play = [&](Pod&) -> Async<Result<PodEnd>> {
    // After the failure: the wait begins in a later turn than this one.
    world.loop.post([] { PodRun::interrupt(); });
    co_return PodRun::failure(PodOutcome::task_failed, 1);
  };
  EXPECT_EQ(world.run(), 1);
  EXPECT_EQ(world.pods.started.size(), 1u);
  EXPECT_THAT(world.err(), HasSubstr("Aborted!"));
}

}  // namespace
}  // namespace headrace::run
