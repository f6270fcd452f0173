// Against a real cluster: the one that $KUBECONFIG names, in $HEADRACE_TEST_NAMESPACE or the context's namespace. Skipped without.
// The images python:3.11 and debian:12 (without Python) must be there. Pods run small programs instead of the agent.
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/client.h"
#include "launch/cluster_launcher.h"
#include "launch/pod_manifest.h"
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

std::string write_agent() {
  Elf64_Ehdr head{};
  ::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_machine = EM_X86_64;
  const std::string path = fmt::format("{}/cluster_real_test.{}", ::testing::TempDir(), ::getpid());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&head), sizeof(head));
  return path;
}

struct Heard final : PodListener {
  explicit Heard(loop::EventLoop& loop) : changed(loop) {}
  void note(std::string line) override { notes.push_back(std::move(line)), changed.notify(); }
  void placed(std::string pod) override { pods.push_back(std::move(pod)), changed.notify(); }
  void output(bool, WallTime, std::optional<std::uint64_t> seq, std::string_view line) override {
    lines.push_back(fmt::format("{} {}", seq.value_or(0), line));
    changed.notify();
  }
  loop::Event changed;
  std::vector<std::string> notes, pods, lines;
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
    policy_.agent_file = agent_ = write_agent();
  }
  void TearDown() override { ::unlink(agent_.c_str()); }
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
  std::string run_id_ = std::to_string(::getpid());
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
