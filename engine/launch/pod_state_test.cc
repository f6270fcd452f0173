#include "launch/pod_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/timestamp.h"

// Pods as Kubernetes 1.34 tells of them (of their conditions only what matters).
namespace headrace::launch {
namespace {

using codec::Json;
using ::testing::HasSubstr;

constexpr const char* kUnschedulable = R"({"metadata": {"name": "j", "uid": "f9e5"}, "spec": {}, "status": {"conditions": [{"message":
  "0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
  "reason": "Unschedulable", "status": "False", "type": "PodScheduled"}], "phase": "Pending"}})";

std::string scheduled(const std::string& container, const std::string& more = R"("phase": "Pending")") {
  return R"({"metadata": {"name": "j", "uid": "f9e5"}, "spec": {"nodeName": "node-1"}, "status": {"conditions": [
    {"status": "True", "type": "Initialized"}, {"message": "containers with unready status: [work]", "reason": "ContainersNotReady",
    "status": "False", "type": "Ready"}, {"status": "True", "type": "PodScheduled"}], "containerStatuses": [{"name": "work", "started": false,
    "state": )" + container + R"(}], "hostIP": "10.244.0.1", )" + more + "}}";
}

const std::string kCreating = scheduled(R"({"waiting": {"reason": "ContainerCreating"}})");
const std::string kImage = scheduled(R"({"waiting": {"message": "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nope:1\": not found", "reason": "ErrImagePull"}})");
const std::string kImageBackOff = scheduled(R"({"waiting": {"message": "Back-off pulling image \"nope:1\"", "reason": "ImagePullBackOff"}})");
const std::string kConfig = scheduled(R"({"waiting": {"message": "secret \"none\" not found", "reason": "CreateContainerConfigError"}})");
const std::string kInit = scheduled(R"({"waiting": {"reason": "PodInitializing"}})",
    R"("initContainerStatuses": [{"name": "prepare", "started": true, "state": {"running": {"startedAt": "2026-11-26T20:41:31Z"}}}], "phase": "Pending")");
const std::string kInitFails = scheduled(R"({"waiting": {"reason": "PodInitializing"}})",
    R"("initContainerStatuses": [{"name": "prepare", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}], "phase": "Pending")");
const std::string kRunning = scheduled(R"({"running": {"startedAt": "2026-11-26T20:41:31Z"}})", R"("phase": "Running")");

PodFacts facts(const std::string& text) { return read_pod(Json::parse(text), "work"); }

TEST(PodState, SaysWhyAPodWaits) {
  struct Row {
    std::string pod;
    const char* event;
    const char* words;
    bool ordinary;
    bool unschedulable;
  };
  const Row rows[] = {
      {kUnschedulable, "", "Pod is pending, Unschedulable - 0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, "
       "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.", false, true},
      {R"({"metadata": {"name": "j"}, "status": {"phase": "Pending"}})", "", "Pod is pending", true, false},
      {kCreating, "", "Pod is pending, Container is waiting - ContainerCreating", true, false},
      {kCreating, "FailedMount - MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found",
       "Pod is pending, FailedMount - MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found", false, false},
      {kImage, "", "Pod is pending, Container is waiting - ErrImagePull - rpc error: code = NotFound desc = failed to pull and unpack image "
       "\"docker.io/library/nope:1\": not found", false, false},
      {kConfig, "", "Pod is pending, Container is waiting - CreateContainerConfigError - secret \"none\" not found", false, false},
      {kInit, "", "Pod is pending, Init container prepare is running", true, false},
      {kInitFails, "", "Pod is pending, Init container prepare is waiting - ImagePullBackOff - Back-off", false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.words);
    auto wait = why_waiting(facts(row.pod), row.event);
    ASSERT_TRUE(wait);
    EXPECT_EQ(wait->words, row.words);
    EXPECT_EQ(wait->ordinary, row.ordinary);
    EXPECT_EQ(wait->unschedulable, row.unschedulable);
  }
}

TEST(PodState, AReasonIsNewWhenMoreThanItsNumbersChange) {
  auto key = [](const std::string& message) {
    Json pod = Json::parse(kUnschedulable);
    pod["status"]["conditions"][0]["message"] = message;
    return why_waiting(read_pod(pod, "work"), "")->key;
  };
  EXPECT_EQ(key("0/12 nodes are available: 3 Insufficient cpu."), key("0/13 nodes are available: 11 Insufficient cpu."));
  EXPECT_NE(key("0/12 nodes are available: 3 Insufficient cpu."), key("0/12 nodes are available: 3 Insufficient memory."));
  EXPECT_EQ(why_waiting(facts(kImage), "")->key, why_waiting(facts(kImageBackOff), "")->key);
}

TEST(PodState, WhatRunsOrEndsOrGoesDoesNotWait) {
  EXPECT_FALSE(why_waiting(facts(kRunning), "FailedMount - old"));
  EXPECT_FALSE(why_waiting(facts(scheduled(R"({"terminated": {"exitCode": 0, "reason": "Completed"}})", R"("phase": "Succeeded")")), ""));
  Json going = Json::parse(kUnschedulable);
  going["metadata"]["deletionTimestamp"] = "2026-11-26T20:41:59Z";
  PodFacts pod = read_pod(going, "work");
  EXPECT_FALSE(why_waiting(pod, ""));
  EXPECT_EQ(pod.deleting, codec::from_iso("2026-11-26T20:41:59Z"));
}

TEST(PodState, ReadsHowItEnded) {
  PodFacts late = facts(scheduled(R"({"terminated": {"exitCode": 137, "finishedAt": "2026-11-26T20:41:35Z", "reason": "Error"}})",
      R"("message": "Pod was active on the node longer than the specified deadline", "phase": "Failed", "reason": "DeadlineExceeded")"));
  EXPECT_TRUE(late.started && late.ended() && late.settled());
  ASSERT_TRUE(late.end);
  EXPECT_EQ(late.end->exit_code, 137);
  EXPECT_EQ(late.end->reason, "Error");
  EXPECT_EQ(late.reason, "DeadlineExceeded");
  EXPECT_EQ(late.node, "node-1");
  EXPECT_EQ(late.uid, "f9e5");

  PodFacts preempted = facts(R"({"metadata": {"name": "j", "uid": "u", "deletionTimestamp": "2026-11-26T20:41:59Z"}, "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
    "message": "default-scheduler: preempting to accommodate a higher priority pod"}]}})");
  EXPECT_EQ(preempted.disruption_reason, "PreemptionByScheduler");
  EXPECT_FALSE(preempted.ended());
}

TEST(PodState, ASidecarIsNotTheTask) {
  PodFacts pod = facts(R"({"metadata": {"name": "j", "uid": "u", "ownerReferences": [{"uid": "o"}]}, "spec": {"nodeName": "n",
    "initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}, "status": {"phase": "Running",
    "initContainerStatuses": [{"name": "proxy", "started": true, "state": {"running": {}}}], "containerStatuses": [
    {"name": "mesh", "state": {"running": {}}}, {"name": "work", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}})");
  EXPECT_TRUE(pod.ended());
  EXPECT_FALSE(pod.settled());
  EXPECT_TRUE(pod.others_run);
  EXPECT_EQ(pod.init, "");
  EXPECT_EQ(pod.owner_uid, "o");
}

TEST(PodState, ANodeThatIsSilentShowsInReady) {
  auto pod = [](const char* ready, const char* containers) {
    return facts(std::string(R"({"metadata": {"name": "j"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ")") + ready +
                 R"("}, {"type": "ContainersReady", "status": ")" + containers + R"("}]}})");
  };
  EXPECT_TRUE(pod("False", "True").node_silent);
  EXPECT_FALSE(pod("True", "True").node_silent);
  EXPECT_FALSE(pod("False", "False").node_silent);
}

TEST(PodState, NonsenseCountsAsAbsent) {
  for (const char* text : {"null", "[]", "7", R"({"metadata": 1, "spec": [], "status": "x"})", R"({"status": {"containerStatuses": [1, null, {"state": 3}],
       "conditions": {"a": 1}, "initContainerStatuses": [[]], "phase": 4}, "metadata": {"ownerReferences": [[]], "deletionTimestamp": 5}})"}) {
    SCOPED_TRACE(text);
    PodFacts pod = facts(text);
    EXPECT_FALSE(pod.ended());
    EXPECT_EQ(pod.phase, PodPhase::pending);
  }
}

}  // namespace
}  // namespace headrace::launch
