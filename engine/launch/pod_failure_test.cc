#include "launch/pod_failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

using codec::Json;
using ::testing::HasSubstr;

constexpr const char* kCommitted = R"({"headrace_agent": 1, "stage": "done", "exit_code": 0, "signal": 0, "peak_kb": 81000, "lines_stored": 4,
  "python_version": "3.11.7", "committed": {"ok": true, "transition": null}, "trouble": null})";
constexpr const char* kRefusedByTask = R"({"headrace_agent": 1, "stage": "done", "exit_code": 1, "signal": 0, "peak_kb": 81000,
  "lines_stored": 4, "python_version": "3.11.7", "committed": {"ok": false, "transition": null}, "trouble": null})";
constexpr const char* kRunning = R"({"headrace_agent": 1, "stage": "running", "exit_code": 0, "signal": 0, "peak_kb": 3906250,
  "lines_stored": 4, "python_version": "3.11.7", "committed": null, "trouble": null})";
constexpr const char* kNoLauncher = R"({"headrace_agent": 1, "stage": "done", "exit_code": 75, "signal": 0, "peak_kb": 900, "lines_stored": 1,
  "trouble": {"kind": "failed", "what": "this pod runs nothing", "where": "", "why": "1000 s old", "next": "`resume` it"}})";
constexpr const char* kTrouble = R"({"headrace_agent": 1, "stage": "fetching", "exit_code": 0, "signal": 0, "peak_kb": 1, "lines_stored": 0,
  "python_version": "3.11.7", "committed": null,
  "trouble": {"kind": "denied", "what": "the code package cannot be read", "where": "s3://b/k", "why": "AccessDenied", "next": "give it"}})";

struct Case {
  Case() {
    settings.image = "python:3.11";
    one.step = "work";
    one.namespace_ = "ml";
    one.settings = &settings;
  }
  /// A pod whose container ended like this.
  Case& terminated(int code, const std::string& reason, const std::string& message = "") {
    state = Json{{"terminated", {{"exitCode", code}, {"reason", reason}, {"message", message}}}};
    return *this;
  }
  Case& waiting(const std::string& reason, const std::string& message) {
    state = Json{{"waiting", {{"reason", reason}, {"message", message}}}};
    status["phase"] = "Pending";
    return *this;
  }
  Case& pod(const std::string& reason, const std::string& message) {
    status["phase"] = "Failed";
    status["reason"] = reason;
    status["message"] = message;
    return *this;
  }
  Case& disrupted(const std::string& reason, const std::string& message) {
    Json condition{{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", reason}, {"message", message}};
    status["conditions"] = Json::array({condition});
    return *this;
  }
  PodCase& facts() {
    Json json{{"metadata", {{"name", "hr-work-2-0-0-abc"}, {"uid", "u"}}}, {"spec", {{"nodeName", "node-1"}}}};
    if (deleting) json["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z";
    status["containerStatuses"] = Json::array({Json{{"name", "work"}, {"state", state}}});
    json["status"] = status;
    one.pod = read_pod(json, "work");
    one.report = report_of(one.pod);
    return one;
  }
  PodVerdict judge() { return judge_end(facts()); }

  wire::PodSettings settings;
  PodCase one;
  Json state = Json::object();
  Json status = Json{{"phase", "Failed"}};
  bool deleting = false;
};

struct Row {
  const char* what;
  std::function<void(Case&)> make;
  PodOutcome outcome;
  bool again;
  const char* says;  ///< in what
  const char* why;
  const char* next;
};

const Row kRows[] = {
    {"the limit", [](Case& c) { c.terminated(137, "OOMKilled", kRunning); }, PodOutcome::out_of_memory, false, "ran out of memory",
     "OOMKilled at its limit of 4096 MB; the last peak that was seen is 4000 MB", "@resources(memory=...)"},
    {"the node's memory", [](Case& c) { c.one.limit_memory = false, c.terminated(137, "OOMKilled"); }, PodOutcome::out_of_memory, false,
     "ran out of memory", "its node had no memory left; it asked for 4096 MB", "memory=..."},
    {"a child was taken, and the agent told", [](Case& c) { c.terminated(1, "OOMKilled", kRefusedByTask); }, PodOutcome::out_of_memory, false,
     "ran out of memory", "OOMKilled", "memory=..."},
    {"the deadline, though 137", [](Case& c) { c.terminated(137, "Error", kRunning).pod("DeadlineExceeded", "Pod was active on the node longer"); },
     PodOutcome::deadline, false, "longer than its time limit of 5 days", "DeadlineExceeded", "@timeout"},
    {"disk pressure", [](Case& c) { c.terminated(137, "Error").pod("Evicted", "The node was low on resource: ephemeral-storage."); },
     PodOutcome::lost, true, "evicted", "low on resource: ephemeral-storage", "disk=..."},
    {"memory pressure", [](Case& c) { c.pod("Evicted", "The node was low on resource: memory."); }, PodOutcome::lost, true, "evicted",
     "low on resource: memory", "memory=..."},
    {"its own disk limit", [](Case& c) { c.pod("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 10M."); },
     PodOutcome::lost, false, "evicted", "exceeds the total limit", "disk=..."},
    {"its tmpfs", [](Case& c) { c.pod("Evicted", R"(Usage of EmptyDir volume "tmpfs-ephemeral-volume" exceeds the limit "64Mi".)"); },
     PodOutcome::lost, false, "evicted", "exceeds the limit", "tmpfs_size=..."},
    {"preemption", [](Case& c) { c.deleting = true, c.terminated(143, "Error").disrupted("PreemptionByScheduler", "preempting to accommodate a higher priority pod"); },
     PodOutcome::lost, true, "preempted by a pod of higher priority", "PreemptionByScheduler", "resume"},
    {"node loss", [](Case& c) { c.deleting = true, c.status["phase"] = "Running", c.disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"); },
     PodOutcome::lost, true, "its node node-1 was lost", "DeletionByTaintManager", "resume"},
    {"node removed", [](Case& c) { c.one.gone = true, c.disrupted("DeletionByPodGC", "PodGC: node no longer exists"); }, PodOutcome::lost, true,
     "its node node-1 was lost", "node no longer exists", "resume"},
    {"drain", [](Case& c) { c.deleting = true, c.disrupted("EvictionByEvictionAPI", "Eviction API: evicting"); }, PodOutcome::lost, true,
     "is being emptied", "EvictionByEvictionAPI", "resume"},
    {"kubelet's admission", [](Case& c) { c.pod("OutOfmemory", "Node didn't have enough resource: memory"); }, PodOutcome::lost, true,
     "did not keep it", "OutOfmemory", "resume"},
    {"shutdown", [](Case& c) { c.terminated(143, "Error").pod("Terminated", "Pod was terminated in response to imminent node shutdown."); },
     PodOutcome::lost, true, "did not keep it", "imminent node shutdown", "resume"},
    {"no Python", [](Case& c) { c.terminated(128, "StartError", R"(exec: "python3": executable file not found in $PATH: unknown)"); },
     PodOutcome::image, false, "image `python:3.11` has no `python3`", "StartError", "executable=..."},
    {"no such interpreter", [](Case& c) { c.settings.executable = "/opt/py", c.terminated(128, "StartError", "exec: \"/opt/py\": stat /opt/py: no such file or directory"); },
     PodOutcome::image, false, "has no `/opt/py`", "StartError", "correct @kubernetes(executable=...)"},
    {"another start error", [](Case& c) { c.terminated(128, "StartError", "read-only file system"); }, PodOutcome::refused, false,
     "could not start", "read-only file system", "describe pod"},
    {"segmentation fault", [](Case& c) { c.terminated(139, "Error", kRunning); }, PodOutcome::signal, false, "ended by SIGSEGV",
     "Segmentation fault (exit code 139)", "PYTHONFAULTHANDLER"},
    {"abort", [](Case& c) { c.terminated(134, "Error", kRunning); }, PodOutcome::signal, false, "ended by SIGABRT", "exit code 134", "log"},
    {"a kill that is neither", [](Case& c) { c.terminated(137, "Error", kRunning); }, PodOutcome::signal, false, "ended by SIGKILL",
     "neither its memory limit nor its deadline", "describe node"},
    {"exit 0 without a result", [](Case& c) { c.status["phase"] = "Succeeded", c.terminated(0, "Completed"); }, PodOutcome::no_result, false,
     "exit code 0 but without a result", "os._exit", "exception"},
    {"the agent's own trouble", [](Case& c) { c.terminated(1, "Error", kTrouble); }, PodOutcome::no_result, false,
     "the code package cannot be read", "AccessDenied", "give it"},
    {"a launcher that slept", [](Case& c) { c.terminated(75, "Error", kNoLauncher); }, PodOutcome::lost, true, "runs nothing",
     "1000 s old", "resume"},
    {"before the agent", [](Case& c) { c.terminated(1, "Error", "headrace: the agent cannot be started\nhere\n"); }, PodOutcome::no_result,
     false, "exit code 1 before the step began", "headrace: the agent cannot be started | here", "log above"},
    {"deleted by somebody", [](Case& c) { c.one.gone = true, c.status["phase"] = "Running"; }, PodOutcome::stopped, false,
     "was deleted while it was needed", "neither this run", "delete pods"},
    {"deleted by somebody, seen ending", [](Case& c) { c.deleting = true, c.terminated(143, "Error", kRunning); }, PodOutcome::stopped, false,
     "was deleted while it was needed", "neither this run", "delete pods"},
    {"stopped by us", [](Case& c) { c.one.stopped = true, c.terminated(143, "Error", kRunning); }, PodOutcome::stopped, false, "was stopped",
     "", ""},
};

TEST(PodFailure, EachCauseHasItsNameAndItsNextStep) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.what);
    Case one;
    row.make(one);
    PodVerdict verdict = one.judge();
    EXPECT_EQ(verdict.outcome, row.outcome);
    EXPECT_EQ(verdict.again, row.again);
    ASSERT_TRUE(verdict.cause);
    EXPECT_THAT(verdict.cause->what, HasSubstr(row.says));
    EXPECT_THAT(verdict.cause->why, HasSubstr(row.why));
    EXPECT_THAT(verdict.cause->next, HasSubstr(row.next));
    EXPECT_THAT(verdict.cause->where, HasSubstr("pod hr-work-2-0-0-abc in namespace ml on node node-1"));
  }
}

TEST(PodFailure, AWholeResultCountsWhateverComesAfter) {
  for (int code : {0, 137, 143}) {
    Case one;
    one.one.stopped = code == 143;
    PodVerdict verdict = one.terminated(code, code ? "Error" : "Completed", kCommitted).judge();
    EXPECT_EQ(verdict.outcome, PodOutcome::done);
    EXPECT_EQ(verdict.exit_code, 0);
    EXPECT_FALSE(verdict.cause);
  }
  // Something else in the container was taken, and the task did without.
  Case one;
  EXPECT_EQ(one.terminated(0, "OOMKilled", kCommitted).judge().outcome, PodOutcome::done);
}

TEST(PodFailure, ATaskThatFailedIsItsOwnCause) {
  Case one;
  PodVerdict verdict = one.terminated(1, "Error", kRefusedByTask).judge();
  EXPECT_EQ(verdict.outcome, PodOutcome::task_failed);
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_FALSE(verdict.cause);
  EXPECT_FALSE(verdict.again);
}

constexpr const char* kNotFound =
    R"(rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nope:1": not found)";
constexpr const char* kTimeout = R"(rpc error: code = DeadlineExceeded desc = failed to pull: dial tcp: i/o timeout)";

TEST(StartJudge, WhatCannotChangeEndsAtOnce) {
  struct Hopeless {
    const char* reason;
    const char* message;
    PodOutcome outcome;
    const char* next;
  };
  const Hopeless rows[] = {
      {"ErrImagePull", kNotFound, PodOutcome::image, "no registry has that name and tag"},
      {"ImagePullBackOff", R"(Back-off pulling image "x": ErrImagePull: pull access denied, repository does not exist or may require authorization)",
       PodOutcome::image, "image_pull_secrets"},
      {"InvalidImageName", "couldn't parse image name", PodOutcome::image, "no name of an image"},
      {"ErrImageNeverPull", "Container image is not present with pull policy of Never", PodOutcome::image, "image_pull_policy"},
      {"CreateContainerConfigError", "container has runAsNonRoot and image will run as root", PodOutcome::refused, "run_as_user"},
  };
  for (const Hopeless& row : rows) {
    SCOPED_TRACE(row.reason);
    Case one;
    StartJudge judge(3);
    auto verdict = judge.look(one.waiting(row.reason, row.message).facts(), Instant{});
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->outcome, row.outcome);
    EXPECT_EQ(verdict->cause->kind, Kind::misuse);
    EXPECT_THAT(verdict->cause->why, HasSubstr(row.message));
    EXPECT_THAT(verdict->cause->next, HasSubstr(row.next));
  }
}

TEST(StartJudge, ARegistryThatDoesNotAnswerGetsAFewTries) {
  Case pulling, backing_off;
  pulling.waiting("ErrImagePull", kTimeout);
  backing_off.waiting("ImagePullBackOff", std::string("Back-off pulling image: ") + kTimeout);
  StartJudge judge(3);
  Instant now{};
  for (int pull = 1; pull < 3; ++pull) {
    EXPECT_FALSE(judge.look(pulling.facts(), now += 1s));
    EXPECT_FALSE(judge.look(pulling.facts(), now += 1s));  // The same news again is no new pull.
    EXPECT_FALSE(judge.look(backing_off.facts(), now += 1s));
    EXPECT_TRUE(judge.next_look());
  }
  auto verdict = judge.look(pulling.facts(), now += 1s);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->outcome, PodOutcome::image);
  EXPECT_EQ(verdict->cause->kind, Kind::failed);
  EXPECT_THAT(verdict->cause->why, HasSubstr("(3 times)"));
}

TEST(StartJudge, OneBackOffForEverEndsToo) {
  Case one;
  one.waiting("ImagePullBackOff", kTimeout);
  StartJudge judge(3);
  EXPECT_FALSE(judge.look(one.facts(), Instant{}));
  EXPECT_EQ(judge.next_look(), Instant{} + StartJudge::kImagePatience);
  EXPECT_TRUE(judge.look(one.facts(), Instant{} + StartJudge::kImagePatience));
}

TEST(StartJudge, AMissingSecretMayStillCome) {
  Case missing, creating;
  missing.waiting("CreateContainerConfigError", R"(secret "keys" not found)");
  creating.waiting("ContainerCreating", "");
  StartJudge judge(3);
  EXPECT_FALSE(judge.look(missing.facts(), Instant{}));
  EXPECT_FALSE(judge.look(creating.facts(), Instant{} + 10s));
  EXPECT_FALSE(judge.next_look());
  EXPECT_FALSE(judge.look(missing.facts(), Instant{} + 15s));
  EXPECT_FALSE(judge.look(missing.facts(), Instant{} + 30s));
  auto verdict = judge.look(missing.facts(), Instant{} + 15s + StartJudge::kConfigPatience);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->outcome, PodOutcome::refused);
  EXPECT_THAT(verdict->cause->next, HasSubstr("secret"));
}

}  // namespace
}  // namespace headrace::launch
