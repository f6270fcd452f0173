#include "launch/cluster_launcher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/testing/cluster_world.h"
#include "launch/wait_notes.h"

namespace headrace::launch {
namespace {

using codec::Json;
using loop::Async;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::framed;
using testing::kReport;
using testing::World;

TEST(ClusterLauncher, APodRunsToItsEndWithItsLog) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    EXPECT_THAT(pod, HasSubstr("hr-work-1-0-0-"));
    EXPECT_THAT(world.launcher->alive(), ElementsAre("ml/" + pod));
    world.cluster.start("ml", pod);
    world.cluster.write_log("ml", pod, "boot\n" + framed(1, "hello"));
    co_await world.printed(2);
    EXPECT_FALSE(end.has_value());
    world.cluster.write_log("ml", pod, framed(2, "bye"));
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  const PodEnd& pod = **end;
  EXPECT_EQ(pod.outcome, PodOutcome::done);
  EXPECT_EQ(pod.exit_code, 0);
  EXPECT_EQ(pod.lines, 2u);
  EXPECT_EQ(pod.peak_kb, 81000);
  EXPECT_EQ(pod.tries, 1);
  EXPECT_FALSE(pod.cause);
  EXPECT_THAT(world.heard.lines, ElementsAre("e0 boot", "o1 hello", "o2 bye"));
  EXPECT_THAT(world.heard.notes, IsEmpty());
  // The task has cost one write, one stream; the run's pods went at once, and with them the owner.
  EXPECT_EQ(world.cluster.count("POST /api/v1/namespaces/ml/pods"), 2u);
  EXPECT_EQ(world.cluster.count("POST /api/v1/namespaces/ml/pods?dryRun"), 1u);
  EXPECT_EQ(world.cluster.count("GET /api/v1/namespaces/ml/pods/" + pod.pod + "/log"), 1u);
  EXPECT_EQ(world.cluster.count("DELETE"), 2u);
  EXPECT_EQ(world.cluster.count("WATCH"), 1u);
  EXPECT_THAT(world.pods(), IsEmpty());
  EXPECT_THAT(world.jobs(), IsEmpty());
  EXPECT_EQ(world.cluster.names("/api/v1/namespaces/ml/configmaps").size(), 2u);
}

TEST(ClusterLauncher, TheAgentIsStoredOnceANamespace) {
  World world;
  world.play([]() -> Async<void> { co_return; });
  const std::size_t posted = world.cluster.count("POST /api/v1/namespaces/ml/configmaps");
  EXPECT_EQ(posted, 2u);
  world.play([]() -> Async<void> { co_return; });
  EXPECT_EQ(world.cluster.count("POST /api/v1/namespaces/ml/configmaps"), posted);
}

TEST(ClusterLauncher, ALossOfInfrastructureIsTriedAgain) {
  World world;
  world.policy.tries_max = 2;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    world.loop.spawn(world.attempt(end));
    for (std::size_t try_number = 0; try_number < 2; ++try_number) {
      co_await world.placed(try_number + 1);
      Json status{{"phase", "Failed"}, {"reason", "Evicted"}, {"message", "The node was low on resource: memory."}};
      world.cluster.set_status("ml", world.heard.pods.back(), status);
    }
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::lost);
  EXPECT_EQ((*end)->tries, 2);
  EXPECT_THAT((*end)->cause->why, HasSubstr("(try 2 of 2)"));
  ASSERT_EQ(world.heard.pods.size(), 2u);
  EXPECT_THAT(world.heard.pods[1], HasSubstr("hr-work-1-0-1-"));
  ASSERT_EQ(world.heard.notes.size(), 1u);
  EXPECT_THAT(world.heard.notes[0], HasSubstr("low on resource: memory"));
}

TEST(ClusterLauncher, AnAttemptThatFailedIsNotTriedAgainAndItsPodStays) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    world.cluster.finish("ml", pod, 137, "OOMKilled", "");
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::out_of_memory);
  EXPECT_EQ((*end)->exit_code, 137);
  EXPECT_EQ(world.heard.pods.size(), 1u);
  // It is there to be looked at, until its owner's time is over.
  EXPECT_THAT(world.pods(), ElementsAre(world.heard.pods[0]));
  ASSERT_EQ(world.jobs().size(), 1u);
  const Json* owner = world.cluster.find("/apis/batch/v1/namespaces/ml/jobs/" + world.jobs()[0]);
  const int keep = (*owner)["spec"]["activeDeadlineSeconds"];
  EXPECT_GE(keep, 3600);
  EXPECT_LE(keep, 3600 + 60);
}

TEST(ClusterLauncher, FailedPodsGoTooIfThePolicySaysSo) {
  World world;
  world.policy.keep_failed = Duration{0};
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.finish("ml", pod, 1, "Error", "");
    co_await world.ended(end);
  });
  EXPECT_THAT(world.pods(), IsEmpty());
  EXPECT_THAT(world.jobs(), IsEmpty());
}

TEST(ClusterLauncher, SaysWhyAPodWaitsAndWhatWouldFit) {
  World world;
  world.settings.memory_mb = "20000";
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    Json condition{{"type", "PodScheduled"}, {"status", "False"}, {"reason", "Unschedulable"}, {"message", "0/1 nodes are available: 1 Insufficient memory."}};
    world.cluster.set_status("ml", pod, Json{{"phase", "Pending"}, {"conditions", Json::array({condition})}});
    co_await world.noted(1);
    Json waiting{{"name", "work"}, {"state", {{"waiting", {{"reason", "ErrImagePull"}, {"message", "dial tcp: i/o timeout"}}}}}};
    world.cluster.set_status("ml", pod, Json{{"phase", "Pending"}, {"containerStatuses", Json::array({waiting})}});
    co_await world.noted(2);
    world.cluster.start("ml", pod);
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  EXPECT_THAT(world.heard.notes[0], HasSubstr("Task is starting (Pod is pending, Unschedulable - 0/1 nodes are available: 1 Insufficient memory.)..."));
  EXPECT_THAT(world.heard.notes[0], HasSubstr("it fits on 1 of 1 nodes when others leave"));
  EXPECT_EQ(world.heard.notes[1], "Task is starting (Pod is pending, Container is waiting - ErrImagePull - dial tcp: i/o timeout)...");
}

TEST(ClusterLauncher, OnlyAnEventTellsOfAMissingVolume) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.add_event("ml", pod, "FailedMount", R"(MountVolume.SetUp failed: persistentvolumeclaim "data" not found)");
    Json waiting{{"name", "work"}, {"state", {{"waiting", {{"reason", "ContainerCreating"}}}}}};
    world.cluster.set_status("ml", pod, Json{{"phase", "Pending"}, {"containerStatuses", Json::array({waiting})}});
    co_await world.noted(1);
    world.launcher->stop("7/work/1", 0);
    co_await world.ended(end);
  });
  EXPECT_THAT(world.heard.notes[0], HasSubstr("FailedMount - MountVolume.SetUp failed"));
}

TEST(ClusterLauncher, WhatHappensWhileTheClusterIsAskedIsNotMissed) {
  World world;
  std::optional<Result<PodEnd>> end;
  Duration waited{};
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    Instant finished{};
    world.cluster.before_answer = [&](const kube::Call& call) -> Async<void> {
      if (!call.path.ends_with("/events") || finished != Instant{}) co_return;
      finished = world.loop.now();
      world.cluster.start("ml", pod);
      world.cluster.finish("ml", pod, 0, "Completed", "");
      co_await world.loop.sleep_for(20ms);  // The watch has told of it.
    };
    Json waiting{{"name", "work"}, {"state", {{"waiting", {{"reason", "ContainerCreating"}}}}}};
    world.cluster.set_status("ml", pod, Json{{"phase", "Pending"}, {"containerStatuses", Json::array({waiting})}});
    co_await world.ended(end);
    waited = world.loop.now() - finished;
  });
  EXPECT_LT(waited, 2s);
}

TEST(ClusterLauncher, TroubleIsSaidWithItsCause) {
  World world;
  world.cluster.intercept = [](const kube::Call& call) -> std::optional<kube::Answer> {
    if (!call.path.ends_with("/nodes")) return std::nullopt;
    return kube::Answer{.status = 500, .body = Json{{"reason", "InternalError"}, {"message", "etcdserver: no leader"}}};
  };
  world.play([]() -> Async<void> { co_return; });
  EXPECT_THAT(world.notes, ElementsAre("The nodes of the cluster cannot be listed: cannot list nodes: etcdserver: no leader (status 500)"));
}

TEST(ClusterLauncher, AnImageThatDoesNotExistEndsAtOnceAndThePodGoes) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    Json waiting{{"name", "work"}, {"state", {{"waiting", {{"reason", "ErrImagePull"}, {"message", "nope:1: not found"}}}}}};
    world.cluster.set_status("ml", pod, Json{{"phase", "Pending"}, {"containerStatuses", Json::array({waiting})}});
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::image);
  EXPECT_EQ((*end)->cause->kind, Kind::misuse);
  EXPECT_EQ(world.cluster.count("DELETE /api/v1/namespaces/ml/pods/" + world.heard.pods[0]), 1u);
  EXPECT_THAT(world.pods(), IsEmpty());
}

TEST(ClusterLauncher, AQuotaThatIsFullIsWaitedFor) {
  World world;
  int refusals = 0;
  world.cluster.intercept = [&](const kube::Call& call) -> std::optional<kube::Answer> {
    if (call.method != "POST" || !call.path.ends_with("/pods") || call.query.count("dryRun") || refusals >= 1) return std::nullopt;
    ++refusals;
    return kube::Answer{.status = 403, .body = Json{{"reason", "Forbidden"}, {"message",
        "pods \"x\" is forbidden: exceeded quota: small, requested: requests.cpu=1, used: requests.cpu=2, limited: requests.cpu=2"}}};
  };
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.write_log("ml", pod, framed(1, "a") + framed(2, "b"));
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::done);
  ASSERT_EQ(world.heard.notes.size(), 1u);
  EXPECT_THAT(world.heard.notes[0], HasSubstr("exceeded quota: small, requested: requests.cpu=1, used: requests.cpu=2"));
}

TEST(ClusterLauncher, OnlyTheFirstInLineAskWhetherAQuotaHasRoom) {
  constexpr std::size_t kPods = 300, kQuota = 4, kEnds = 6;
  World world;
  world.cluster.intercept = [&](const kube::Call& call) -> std::optional<kube::Answer> {
    if (call.method != "POST" || !call.path.ends_with("/pods") || call.query.count("dryRun")) return std::nullopt;
    if (world.launcher->alive().size() < kQuota) return std::nullopt;
    return kube::Answer{.status = 403, .body = Json{{"reason", "Forbidden"}, {"message",
        "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4"}}};
  };
  std::vector<std::optional<Result<PodEnd>>> ends(kPods);
  world.play([&]() -> Async<void> {
    for (std::size_t task = 0; task < kPods; ++task) world.loop.spawn(world.attempt(ends[task], static_cast<int>(task)));
    co_await world.asked(kPods);
    for (std::size_t ended = 0; ended < kEnds; ++ended) {
      world.cluster.finish("ml", world.heard.pods[ended], 0, "Completed", "");
      co_await world.placed(kQuota + ended + 1);
    }
    auto removed = co_await world.launcher->remove_all();
    EXPECT_TRUE(removed.ok());
    for (auto& end : ends) co_await world.ended(end);
  });
  EXPECT_LE(world.cluster.count("POST /api/v1/namespaces/ml/pods"), kPods + 20 * kEnds);
  EXPECT_LE(world.heard.notes.size(), kSpeakersMax) << "each says why it waits";
}

TEST(ClusterLauncher, WhoIsStoppedInTheLineForAQuotaLeavesIt) {
  constexpr std::size_t kPods = 30;
  World world;
  bool full = true;
  world.cluster.intercept = [&](const kube::Call& call) -> std::optional<kube::Answer> {
    if (call.method != "POST" || !call.path.ends_with("/pods") || call.query.count("dryRun") || !full) return std::nullopt;
    return kube::Answer{.status = 403, .body = Json{{"reason", "Forbidden"}, {"message",
        "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"}}};
  };
  std::vector<std::optional<Result<PodEnd>>> ends(kPods);
  world.play([&]() -> Async<void> {
    for (std::size_t task = 0; task < kPods; ++task) world.loop.spawn(world.attempt(ends[task], static_cast<int>(task)));
    co_await world.asked(kPods);
    for (int task : {0, 29, 1}) {
      world.launcher->stop(fmt::format("7/work/{}", task), 0);
      co_await world.ended(ends[static_cast<std::size_t>(task)]);
      EXPECT_EQ((*ends[static_cast<std::size_t>(task)])->outcome, PodOutcome::stopped);
    }
    full = false;
    for (std::size_t placed = 0; placed < kPods - 3; ++placed) {
      co_await world.placed(placed + 1);
      world.cluster.finish("ml", world.heard.pods[placed], 0, "Completed", "");
    }
    for (auto& end : ends) co_await world.ended(end);
  });
  EXPECT_EQ(world.heard.pods.size(), kPods - 3);
}

TEST(ClusterLauncher, AQuotaThatNeverFitsIsAnErrorBeforeTheRun) {
  World world;
  world.cluster.intercept = [&](const kube::Call& call) -> std::optional<kube::Answer> {
    if (!call.query.count("dryRun")) return std::nullopt;
    return kube::Answer{.status = 403, .body = Json{{"reason", "Forbidden"}, {"message",
        "pods \"x\" is forbidden: exceeded quota: small, requested: requests.cpu=4, used: requests.cpu=0, limited: requests.cpu=2"}}};
  };
  auto begun = world.loop.block_on(world.begin());
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().kind, Kind::misuse);
  EXPECT_THAT(begun.error().what, HasSubstr("step `work`"));
  EXPECT_THAT(begun.error().why, HasSubstr("more than the whole quota"));
  EXPECT_THAT(world.jobs(), IsEmpty());
}

TEST(ClusterLauncher, ACreateWhoseAnswerWasLostIsHarmless) {
  World world;
  bool lost = false;
  world.cluster.intercept = [&](const kube::Call& call) -> std::optional<kube::Answer> {
    if (call.method != "POST" || !call.path.ends_with("/pods") || call.query.count("dryRun") || lost) return std::nullopt;
    lost = true;
    // It was made, and the repeat of the request meets it.
    kube::Call again = call;
    world.loop.spawn([](World& in, kube::Call same) -> Async<void> { (void)co_await in.cluster.call(std::move(same)); }(world, std::move(again)));
    return kube::Answer{.status = 409, .body = Json{{"reason", "AlreadyExists"}, {"message", "already exists"}}};
  };
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.finish("ml", pod, 0, "Completed", kReport);
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::done);
}

TEST(ClusterLauncher, AnInterruptRemovesAllPodsAndThenTheirOwner) {
  World world;
  constexpr int kPods = 50;
  std::vector<std::optional<Result<PodEnd>>> ends(kPods);
  std::optional<Result<Removed>> removed;
  auto whole = [&]() -> Async<void> {
    auto begun = co_await world.begin();
    EXPECT_TRUE(begun.ok());
    for (int task = 0; task < kPods; ++task) world.loop.spawn(world.attempt(ends[static_cast<std::size_t>(task)], task));
    co_await world.placed(kPods);
    removed = co_await world.launcher->remove_all();
    for (auto& end : ends) co_await world.ended(end);
    auto late = co_await world.launcher->run(world.start(99), world.heard);
    EXPECT_TRUE(late.ok());
    if (late) {
      EXPECT_EQ(late->outcome, PodOutcome::stopped);
    }
    auto ended = co_await world.launcher->end();
    EXPECT_TRUE(ended.ok());
  };
  world.loop.block_on(whole());
  ASSERT_TRUE(removed && removed->ok());
  EXPECT_EQ((*removed)->pods, 50u);
  EXPECT_THAT((*removed)->namespaces, ElementsAre("ml"));
  EXPECT_THAT((*removed)->left, IsEmpty());
  for (auto& end : ends) {
    ASSERT_TRUE(end->ok());
    EXPECT_EQ((*end)->outcome, PodOutcome::stopped);
  }
  EXPECT_EQ(world.heard.pods.size(), 50u);
  EXPECT_THAT(world.pods(), IsEmpty());
  EXPECT_THAT(world.jobs(), IsEmpty());
  EXPECT_EQ(world.cluster.count("DELETE /api/v1/namespaces/ml/pods/"), 0u);
}

TEST(ClusterLauncher, APodThatIsStoppedIsDeleted) {
  World world;
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string pod = co_await world.first_pod(end);
    world.cluster.start("ml", pod);
    world.launcher->stop("7/work/1", 1);  // Another attempt.
    world.launcher->stop("7/work/1", 0);
    co_await world.ended(end);
  });
  ASSERT_TRUE(end && end->ok());
  EXPECT_EQ((*end)->outcome, PodOutcome::stopped);
  EXPECT_EQ(world.cluster.count("DELETE /api/v1/namespaces/ml/pods/" + world.heard.pods[0]), 1u);
}

TEST(ClusterLauncher, ARestrictedNamespaceGetsPodsThatMayRunThere) {
  World world;
  world.cluster.add_namespace("ml", Json{{"pod-security.kubernetes.io/enforce", "restricted"}});
  std::optional<Result<PodEnd>> end;
  world.play([&]() -> Async<void> {
    const std::string name = co_await world.first_pod(end);
    const Json* pod = world.cluster.find("/api/v1/namespaces/ml/pods/" + name);
    EXPECT_EQ((*pod)["spec"]["containers"][0]["securityContext"]["runAsNonRoot"], true);
    world.cluster.finish("ml", name, 0, "Completed", kReport);
    co_await world.ended(end);
  });
}

TEST(ClusterLauncher, WhatCannotWorkIsSaidBeforeAnyPod) {
  struct Row {
    const char* what;
    std::function<void(World&)> change;
    Kind kind;
    const char* says;
    const char* why;
  };
  auto answer = [](std::string part, int status, Json body) {
    return [part, status, body](const kube::Call& call) -> std::optional<kube::Answer> {
      if (call.path.find(part) == std::string::npos) return std::nullopt;
      return kube::Answer{.status = status, .body = body};
    };
  };
  const Row rows[] = {
      {"no namespace", [](World& w) { w.settings.namespace_ = "nowhere"; }, Kind::misuse, "namespace `nowhere` does not exist", ""},
      {"too large", [](World& w) { w.settings.memory_mb = "60000"; }, Kind::misuse, "step `work` cannot be placed",
       "it asks for 60000 MB of memory; the only node has 24000 MB of memory allocatable"},
      {"no rights", [&](World& w) { w.cluster.intercept = answer("selfsubjectrulesreviews", 201, Json::parse(R"({"status": {"resourceRules":
         [{"verbs": ["get", "list", "watch", "create", "delete", "patch"], "apiGroups": ["", "batch"], "resources": ["pods", "pods/log", "jobs", "configmaps"]}]}})")); },
       Kind::denied, "needs rights in namespace `ml`", "missing: `deletecollection` on `pods`"},
      {"no agent", [](World& w) { w.policy.agent_file = "/nonexistent"; }, Kind::missing, "agent", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    World world;
    row.change(world);
    auto begun = world.loop.block_on(world.begin());
    ASSERT_FALSE(begun.ok());
    EXPECT_EQ(begun.error().kind, row.kind);
    EXPECT_THAT(begun.error().what, HasSubstr(row.says));
    EXPECT_THAT(begun.error().why, HasSubstr(row.why));
    EXPECT_EQ(world.cluster.count("POST /api/v1/namespaces/ml/pods"), 0u);
    EXPECT_THAT(world.jobs(), IsEmpty());
  }
}

TEST(ClusterLauncher, AnAutoscalerMakesAnImpossibleRequestAWarning) {
  World world;
  world.settings.memory_mb = "60000";
  world.cluster.intercept = [](const kube::Call& call) -> std::optional<kube::Answer> {
    if (!call.path.ends_with("/cluster-autoscaler-status")) return std::nullopt;
    return kube::Answer{.status = 200, .body = Json::object()};
  };
  world.play([]() -> Async<void> { co_return; });
  ASSERT_EQ(world.notes.size(), 1u);
  EXPECT_THAT(world.notes[0], HasSubstr("Warning: step `work` fits on no node"));
}

TEST(ClusterLauncher, ALeaseCountsTheTimeThatTheMachineSleeps) {
  World world;
  world.policy.lease = 30s;
  std::string path;
  int renewed = 0;
  auto deadline = [&] { return world.cluster.find(path)->at("spec").at("activeDeadlineSeconds").get<int>(); };
  world.play([&]() -> Async<void> {
    path = "/apis/batch/v1/namespaces/ml/jobs/" + world.jobs().at(0);
    EXPECT_EQ(deadline(), 30);
    world.slept = 20s;
    const Instant patience = world.loop.now() + 8s;
    while (deadline() < 50 && world.loop.now() < patience) co_await world.loop.sleep_for(10ms);
    renewed = deadline();
  });
  EXPECT_GE(renewed, 50) << "a renewal that forgets the sleep lets the run's pods be removed";
}

}  // namespace
}  // namespace headrace::launch
