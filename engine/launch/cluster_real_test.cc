// Against a real cluster: the one that $KUBECONFIG names, in $HEADRACE_TEST_NAMESPACE or the context's namespace. Skipped without.
// The images python:3.11 and debian:12 (without Python) must be there. Pods run small programs instead of the agent.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/client.h"
#include "launch/cluster_launcher.h"
#include "launch/pod_manifest.h"
#include "launch/testing/pod_parts.h"
#include "loop/event.h"
#include "loop/task_group.h"

namespace headrace::launch {
namespace {

using loop::Async;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What a pod runs first; the program of the test is in a variable.
constexpr const char* kBootstrap = R"py(
import json, os, sys, time
def line(seq, text):
    print("HR|%d|o|%s.000001Z|%s" % (seq, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), text), flush=True)
def report(stage="done", ok=None, lines=0):
    committed = None if ok is None else {"ok": ok, "transition": None}
    with open("/dev/termination-log", "w") as file:
        json.dump({"headrace_agent": 1, "stage": stage, "exit_code": 0, "signal": 0, "peak_kb": 1000, "lines_stored": lines,
                   "python_version": "3", "committed": committed, "trouble": None}, file)
exec(os.environ["TEST_PROGRAM"])
)py";

struct Heard final : testing::Heard {
  using testing::Heard::Heard;
  void output(bool, WallTime, std::optional<std::uint64_t> seq, std::string_view line) override {
    lines.push_back(fmt::format("{} {}", seq.value_or(0), line));
    changed.notify();
  }
};

/// One attempt: its settings, its program, what is heard of it and how it ends.
struct Attempt {
  Attempt(loop::EventLoop& loop, std::string name, std::string code) : step(std::move(name)), program(std::move(code)), heard(loop) {
    settings.image = "python:3.11";
    settings.cpu = "0.02";
    settings.memory_mb = "64";
    settings.disk_mb = "10";
  }
  std::string step;
  std::string program;
  wire::PodSettings settings;
  Heard heard;
  std::optional<Result<PodEnd>> end;
};

class RealCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto environment = kube::Environment::of_process();
    if (environment.get("KUBECONFIG").empty()) GTEST_SKIP() << "KUBECONFIG is not set: no cluster to test with";
    auto access = kube::find_access(environment);
    ASSERT_TRUE(access.ok()) << to_text(access.error());
    const std::string given = environment.get("HEADRACE_TEST_NAMESPACE");
    ns_ = given.empty() ? access->namespace_ : given;
    auto client = kube::Client::make(loop_, *access);
    ASSERT_TRUE(client.ok()) << to_text(client.error());
    client_ = std::move(client).value();
    policy_.agent_file = agent_ = testing::write_agent();
  }
  void TearDown() override {
    ::unlink(agent_.c_str());
    if (!own_.empty()) (void)loop_.block_on(ask("DELETE", "/api/v1/namespaces/" + own_, codec::Json()));
  }
  [[nodiscard]] RunName run_name() const {
    return RunName{.root = "s3://test", .flow = ::testing::UnitTest::GetInstance()->current_test_info()->name(), .run = run_id_, .user = "test"};
  }

  Attempt& add(const std::string& step, const std::string& program) {
    attempts_.push_back(std::make_unique<Attempt>(loop_, step, program));
    attempts_.back()->settings.namespace_ = ns_;
    return *attempts_.back();
  }
  Async<Result<void>> begin() {
    launcher_ = std::make_unique<ClusterLauncher>(loop_, *client_, pool_, policy_, kBootstrap);
    std::vector<PodStep> steps;
    for (auto& one : attempts_) steps.push_back(PodStep{.step = one->step, .settings = &one->settings});
    std::function<void(std::string)> note = [this](std::string line) { notes_.push_back(std::move(line)); };
    return launcher_->begin(run_name(), std::move(steps), std::move(note));
  }
  Async<void> run(Attempt& one, int task) {
    PodStart start{.step = one.step, .label = fmt::format("1/{}/{}", one.step, task), .settings = &one.settings};
    start.environment["TEST_PROGRAM"] = one.program;
    one.end = co_await launcher_->run(std::move(start), one.heard);
    one.heard.changed.notify();
  }
  /// A call of the test's own; null where it is not allowed.
  Async<codec::Json> ask(std::string method, std::string path, codec::Json body, std::string type = "application/json") {
    kube::Call call;
    call.method = std::move(method);
    call.path = std::move(path);
    call.body = std::move(body);
    call.content_type = std::move(type);
    auto answer = co_await client_->call(call);
    EXPECT_TRUE(answer.ok());
    if (!answer || answer->status == 403) co_return codec::Json();
    EXPECT_TRUE(answer->ok() || answer->status == 404 || answer->status == 409) << answer->message();
    co_return answer->body;
  }
  /// A namespace of this test's own, removed by its end. False without the right to make one.
  bool use_own_namespace(codec::Json labels, codec::Json quota = {}) {
    own_ = fmt::format("hr-test-{}", run_id_);
    codec::Json space{{"metadata", {{"name", own_}, {"labels", std::move(labels)}}}};
    if (loop_.block_on(ask("POST", "/api/v1/namespaces", space)).is_null()) {
      own_.clear();
      return false;
    }
    if (!quota.is_null()) {
      codec::Json object{{"metadata", {{"name", "small"}}}, {"spec", {{"hard", std::move(quota)}}}};
      (void)loop_.block_on(ask("POST", fmt::format("/api/v1/namespaces/{}/resourcequotas", own_), object));
      // Until its controller has counted, a quota refuses everything.
      auto counted = [this]() -> Async<bool> {
        const Instant deadline = loop_.now() + 30s;
        bool known = false;
        while (!known && loop_.now() < deadline) {
          const codec::Json look = co_await ask("GET", fmt::format("/api/v1/namespaces/{}/resourcequotas/small", own_), codec::Json());
          known = look.contains("status") && look["status"].contains("used");
          if (!known) co_await loop_.sleep_for(100ms);
        }
        co_return known;
      };
      EXPECT_TRUE(loop_.block_on(counted()));
    }
    ns_ = own_;
    return true;
  }
  /// The pods of the run when they do not go any more: one that has just ended needs a moment.
  std::size_t pods_that_stay() {
    auto look = [this]() -> Async<std::size_t> {
      const Instant deadline = loop_.now() + 20s;
      std::size_t left = co_await pods_left();
      while (left > 0 && loop_.now() < deadline) {
        co_await loop_.sleep_for(200ms);
        left = co_await pods_left();
      }
      co_return left;
    };
    return loop_.block_on(look());
  }
  /// Runs all attempts side by side, with `meanwhile` beside them.
  void run_all(std::function<Async<void>()> meanwhile = nullptr) {
    auto whole = [this, meanwhile]() -> Async<void> {
      auto begun = co_await begin();
      EXPECT_TRUE(begun.ok()) << (begun ? "" : to_text(begun.error()));
      if (!begun) co_return;
      loop::TaskGroup group(loop_);
      int task = 0;
      for (auto& one : attempts_) group.spawn(run(*one, ++task));
      if (meanwhile) group.spawn(meanwhile());
      co_await group.wait();
      auto ended = co_await launcher_->end();
      EXPECT_TRUE(ended.ok()) << (ended ? "" : to_text(ended.error()));
    };
    loop_.block_on(whole());
    for (auto& one : attempts_) {
      for (auto& note : one->heard.notes) fmt::print("  {}: {}\n", one->step, note);
      if (one->end && one->end->ok() && (*one->end)->cause) fmt::print("{}\n", to_text(*(*one->end)->cause));
      if (one->end && !one->end->ok()) fmt::print("{}\n", to_text(one->end->error()));
    }
  }
  Async<std::size_t> pods_left() {
    kube::Call call;
    call.path = fmt::format("/api/v1/namespaces/{}/pods", ns_);
    call.query["labelSelector"] = run_selector(run_name());
    auto listed = co_await client_->list(call);
    EXPECT_TRUE(listed.ok());
    co_return listed ? listed->items.size() : 999;
  }

  loop::EventLoop loop_;
  loop::WorkerPool pool_{loop_, 1};
  std::unique_ptr<kube::Client> client_;
  std::string ns_;
  std::string agent_;
  std::string own_;  ///< a namespace that this test has made
  std::string run_id_ = fmt::format("{}-{}", ::getpid(), ++made_);
  static inline int made_ = 0;
  PodPolicy policy_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::vector<std::string> notes_;
  std::unique_ptr<ClusterLauncher> launcher_;
};

void expect(const Attempt& one, PodOutcome outcome, const char* what, const char* why) {
  SCOPED_TRACE(one.step);
  ASSERT_TRUE(one.end && one.end->ok());
  const PodEnd& end = **one.end;
  EXPECT_EQ(end.outcome, outcome);
  ASSERT_TRUE(end.cause);
  EXPECT_THAT(end.cause->what, HasSubstr(what));
  EXPECT_THAT(end.cause->why, HasSubstr(why));
  EXPECT_THAT(end.cause->where, HasSubstr("pod " + end.pod));
  EXPECT_NE(end.cause->next, "");
}

TEST_F(RealCluster, APodEndsWellWithEveryLine) {
  Attempt& one = add("well", "print('boot', flush=True)\nfor i in range(1, 2001): line(i, 'text %d' % i)\nreport(ok=True, lines=2000)");
  run_all();
  ASSERT_TRUE(one.end && one.end->ok()) << (one.end ? to_text(one.end->error()) : "");
  EXPECT_EQ((*one.end)->outcome, PodOutcome::done);
  EXPECT_EQ((*one.end)->lines, 2000u);
  ASSERT_EQ(one.heard.lines.size(), 2001u);
  EXPECT_EQ(one.heard.lines[0], "0 boot");
  EXPECT_EQ(one.heard.lines[2000], "2000 text 2000");
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_EQ(pods_that_stay(), 0u);
}

TEST_F(RealCluster, EachFailureHasItsName) {
  policy_.keep_failed = Duration{0};
  policy_.tries_max = 1;
  Attempt& memory = add("memory", "report('running'); time.sleep(1); x = bytearray(10**9)");
  Attempt& late = add("late", "time.sleep(100)");
  late.settings.time_limit_s = 4;
  Attempt& crash = add("crash", "import ctypes; ctypes.string_at(0)");
  Attempt& nothing = add("nothing", "pass");
  Attempt& early = add("early", "sys.exit('cannot go on')");
  Attempt& snake = add("snake", "pass");
  snake.settings.image = "debian:12";
  Attempt& absent = add("absent", "pass");
  absent.settings.image = "nope:1";
  Attempt& nameless = add("nameless", "pass");
  nameless.settings.image = "NOT AN IMAGE";
  Attempt& secret = add("secret", "pass");
  secret.settings.secrets = {"there-is-none"};
  Attempt& tmpfs = add("tmpfs", "open('/metaflow_temp/x', 'wb').write(bytes(8 << 20)); time.sleep(100)");
  tmpfs.settings.tmpfs_size_mib = 1;
  run_all();
  expect(memory, PodOutcome::out_of_memory, "ran out of memory", "OOMKilled at its limit of 64 MB");
  expect(late, PodOutcome::deadline, "longer than its time limit of 4 seconds", "DeadlineExceeded");
  expect(crash, PodOutcome::signal, "ended by SIGSEGV", "139");
  expect(nothing, PodOutcome::no_result, "exit code 0 but without a result", "");
  expect(early, PodOutcome::no_result, "exit code 1 before the step began", "cannot go on");
  expect(snake, PodOutcome::image, "image `debian:12` has no `python3`", "StartError");
  expect(absent, PodOutcome::image, "image `nope:1` of step `absent` cannot be pulled", "not found");
  expect(nameless, PodOutcome::image, "cannot be pulled", "InvalidImageName");
  expect(secret, PodOutcome::refused, "cannot be made", "there-is-none");
  EXPECT_THAT(secret.heard.notes, ::testing::Contains(HasSubstr("there-is-none")));
  ASSERT_TRUE(tmpfs.end && tmpfs.end->ok());
  EXPECT_NE((*tmpfs.end)->outcome, PodOutcome::done);
}

TEST_F(RealCluster, APodThatDoesNotFitSaysWhatWould) {
  policy_.unplaceable = PodPolicy::Unplaceable::warning;
  Attempt& large = add("large", "pass");
  large.settings.memory_mb = "900000";
  run_all([&]() -> Async<void> {
    const Instant deadline = loop_.now() + 30s;
    bool in_time = true;
    while (large.heard.notes.empty() && in_time) in_time = co_await large.heard.changed.wait_until(deadline);
    launcher_->stop("1/large/1", 0);
  });
  EXPECT_THAT(notes_, ::testing::Contains(HasSubstr("it asks for 900000 MB of memory")));
  ASSERT_FALSE(large.heard.notes.empty());
  EXPECT_THAT(large.heard.notes[0], HasSubstr("Unschedulable"));
  EXPECT_THAT(large.heard.notes[0], HasSubstr("Insufficient memory"));
  EXPECT_THAT(large.heard.notes[0], HasSubstr("it asks for 900000 MB of memory; the only node has "));
  ASSERT_TRUE(large.end && large.end->ok());
  EXPECT_EQ((*large.end)->outcome, PodOutcome::stopped);
}

/// As the agent, it listens to SIGTERM.
constexpr const char* kWaits = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(143))\ntime.sleep(1000)";

TEST_F(RealCluster, AnInterruptRemovesEveryPodSoon) {
  constexpr int kPods = 20;
  for (int i = 0; i < kPods; ++i) add(fmt::format("many{}", i), kWaits).settings.cpu = "0.01";
  std::optional<Result<Removed>> removed;
  Duration took{};
  run_all([&]() -> Async<void> {
    const Instant deadline = loop_.now() + 120s;
    while (launcher_->alive().size() < kPods && loop_.now() < deadline) co_await loop_.sleep_for(50ms);
    const Instant before = loop_.now();
    removed = co_await launcher_->remove_all();
    took = loop_.now() - before;
  });
  ASSERT_TRUE(removed && removed->ok());
  EXPECT_EQ((*removed)->pods, kPods);
  EXPECT_THAT((*removed)->left, IsEmpty());
  EXPECT_LT(took, Duration(20s));
  fmt::print("  {} pods removed in {} ms\n", kPods, took / 1ms);
  EXPECT_EQ(pods_that_stay(), 0u);
}

/// The first try of an attempt stays until it is taken away; the next one ends well.
constexpr const char* kStaysOnce = "if json.loads(os.environ['HEADRACE_AGENT_SPEC'])['try'] == 0: time.sleep(1000)\nreport(ok=True)";

TEST_F(RealCluster, AnEvictedAttemptIsTriedAgain) {
  Attempt& one = add("moved", kStaysOnce);
  run_all([&]() -> Async<void> {
    while (one.heard.pods.empty() && !one.end) co_await one.heard.changed.wait();
    if (one.end) co_return;
    const std::string pod = one.heard.pods[0];
    codec::Json eviction{{"apiVersion", "policy/v1"}, {"kind", "Eviction"}, {"metadata", {{"name", pod}, {"namespace", ns_}}}};
    (void)co_await ask("POST", fmt::format("/api/v1/namespaces/{}/pods/{}/eviction", ns_, pod), eviction);
  });
  ASSERT_TRUE(one.end && one.end->ok());
  EXPECT_EQ((*one.end)->outcome, PodOutcome::done);
  EXPECT_EQ((*one.end)->tries, 2);
  EXPECT_THAT(one.heard.notes, ::testing::Contains(HasSubstr("EvictionByEvictionAPI")));
  ASSERT_EQ(one.heard.pods.size(), 2u);
  EXPECT_THAT(one.heard.pods[1], HasSubstr("hr-moved-1-0-1-"));
}

TEST_F(RealCluster, APreemptedAttemptIsTriedAgain) {
  // A resource of which the node has one, so that nobody else's pod is in the way.
  const std::string slot = fmt::format("headrace.test/slot-{}", ::getpid());
  const codec::Json nodes = loop_.block_on(ask("GET", "/api/v1/nodes", codec::Json()));
  if (nodes.is_null()) GTEST_SKIP() << "no right to change nodes";
  const std::string node = "/api/v1/nodes/" + nodes["items"][0]["metadata"]["name"].get<std::string>() + "/status";
  const codec::Json one_slot{{"status", {{"capacity", {{slot, "1"}}}, {"allocatable", {{slot, "1"}}}}}};
  (void)loop_.block_on(ask("PATCH", node, one_slot, kube::kMergePatch));
  codec::Json priority{{"metadata", {{"name", "headrace-test-high"}}}, {"value", 1000}};
  (void)loop_.block_on(ask("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", priority));

  Attempt& one = add("low", kStaysOnce);
  one.settings.extended_resources = codec::Json{{slot, "1"}};
  const std::string rival = fmt::format("/api/v1/namespaces/{}/pods/hr-rival-{}", ns_, ::getpid());
  run_all([&]() -> Async<void> {
    const Instant deadline = loop_.now() + 60s;
    while (launcher_->alive().empty() && loop_.now() < deadline) co_await loop_.sleep_for(50ms);
    co_await loop_.sleep_for(2s);
    codec::Json pod = codec::Json::parse(R"({"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "priorityClassName": "headrace-test-high",
      "containers": [{"name": "a", "image": "python:3.11", "command": ["python3", "-c", "1"]}]}})");
    pod["metadata"]["name"] = fmt::format("hr-rival-{}", ::getpid());
    pod["spec"]["containers"][0]["resources"] = codec::Json{{"limits", {{slot, "1"}}}};
    (void)co_await ask("POST", fmt::format("/api/v1/namespaces/{}/pods", ns_), pod);
    while (one.heard.pods.size() < 2 && !one.end) co_await one.heard.changed.wait();
    (void)co_await ask("DELETE", rival, codec::Json());
  });
  const codec::Json none{{"status", {{"capacity", {{slot, nullptr}}}, {"allocatable", {{slot, nullptr}}}}}};
  (void)loop_.block_on(ask("PATCH", node, none, kube::kMergePatch));
  (void)loop_.block_on(ask("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/headrace-test-high", codec::Json()));
  ASSERT_TRUE(one.end && one.end->ok());
  EXPECT_EQ((*one.end)->outcome, PodOutcome::done);
  EXPECT_EQ((*one.end)->tries, 2);
  EXPECT_THAT(one.heard.notes, ::testing::Contains(HasSubstr("PreemptionByScheduler")));
}

TEST_F(RealCluster, ARestrictedNamespaceRunsPods) {
  if (!use_own_namespace(codec::Json{{"pod-security.kubernetes.io/enforce", "restricted"}})) GTEST_SKIP() << "no right to make namespaces";
  Attempt& one = add("safe", "line(1, 'uid %d home %s in %s' % (os.getuid(), os.environ['HOME'], os.getcwd()))\nopen('file', 'w').write('x')\nreport(ok=True, lines=1)");
  run_all();
  ASSERT_TRUE(one.end && one.end->ok());
  EXPECT_EQ((*one.end)->outcome, PodOutcome::done);
  EXPECT_THAT(one.heard.lines, ::testing::ElementsAre("1 uid 1000 home /headrace/work in /headrace/work"));
}

TEST_F(RealCluster, AFullQuotaIsWaitedForAndSaidSo) {
  if (!use_own_namespace(codec::Json::object(), codec::Json{{"requests.cpu", "30m"}})) GTEST_SKIP() << "no right to make namespaces";
  Attempt& first = add("first", "time.sleep(3); report(ok=True)");
  Attempt& second = add("second", "time.sleep(3); report(ok=True)");
  run_all();
  std::size_t notes = 0;
  for (Attempt* one : {&first, &second}) {
    ASSERT_TRUE(one->end && one->end->ok());
    EXPECT_EQ((*one->end)->outcome, PodOutcome::done);
    for (const std::string& note : one->heard.notes) notes += note.find("exceeded quota: small, requested: requests.cpu=20m") != std::string::npos;
  }
  EXPECT_GE(notes, 1u);
}

TEST_F(RealCluster, AQuotaThatIsTooSmallIsAnErrorBeforeTheRun) {
  if (!use_own_namespace(codec::Json::object(), codec::Json{{"requests.cpu", "10m"}})) GTEST_SKIP() << "no right to make namespaces";
  add("much", "pass");
  auto begun = loop_.block_on(begin());
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().kind, Kind::misuse);
  EXPECT_THAT(begun.error().why, HasSubstr("requested: requests.cpu=20m, used: requests.cpu=0, limited: requests.cpu=10m"));
  EXPECT_THAT(begun.error().why, HasSubstr("more than the whole quota"));
}

TEST_F(RealCluster, NothingIsLeftWhenTheLeaseHasPassed) {
  policy_.lease = 6s;
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    // Everything anew: threads do not survive a fork.
    loop::EventLoop loop;
    loop::WorkerPool pool(loop, 1);
    auto client = kube::Client::make(loop, *kube::find_access(kube::Environment::of_process()));
    ClusterLauncher orphaning(loop, **client, pool, policy_, kBootstrap);
    Attempt one(loop, "orphan", "time.sleep(1000)");
    one.settings.namespace_ = ns_;
    auto whole = [&]() -> Async<void> {
      std::vector<PodStep> steps{PodStep{.step = one.step, .settings = &one.settings}};
      std::function<void(std::string)> note = [](std::string) {};
      auto begun = co_await orphaning.begin(run_name(), steps, note);
      if (!begun) ::_exit(1);
      PodStart start{.step = one.step, .label = "1/orphan/1", .settings = &one.settings};
      start.environment["TEST_PROGRAM"] = one.program;
      (void)co_await orphaning.run(std::move(start), one.heard);
    };
    loop.block_on(whole());
    ::_exit(0);
  }
  auto whole = [&]() -> Async<void> {
    const Instant made = loop_.now() + 60s;
    std::size_t pods = 0;
    while (pods == 0 && loop_.now() < made) pods = co_await pods_left();
    EXPECT_EQ(pods, 1u);
    // Longer than the lease: it is held.
    co_await loop_.sleep_for(15s);
    pods = co_await pods_left();
    EXPECT_EQ(pods, 1u);
    ::kill(launcher, SIGKILL);
    const Instant gone = loop_.now() + 60s;
    while (pods > 0 && loop_.now() < gone) {
      co_await loop_.sleep_for(500ms);
      pods = co_await pods_left();
    }
    EXPECT_EQ(pods, 0u);
  };
  loop_.block_on(whole());
  int status = 0;
  EXPECT_EQ(::waitpid(launcher, &status, 0), launcher);
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace headrace::launch
