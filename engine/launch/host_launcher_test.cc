#include "launch/host_launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "loop/task_group.h"

namespace headrace::launch {
namespace {

using Json = nlohmann::json;
using loop::Async;

/// The other end of the link, on the same loop.
struct FakeHost {
  explicit FakeHost(loop::EventLoop& event_loop) : loop(event_loop) {
    auto pair = loop::make_datagram_pair();
    launcher_end = std::move(pair->first);
    link = std::make_unique<loop::DatagramSocket>(loop, std::move(pair->second));
  }
  Async<void> say(Json json) {
    auto sent = co_await link->send(json.dump());
    EXPECT_TRUE(sent.ok());
  }
  Async<Json> hear() {
    auto datagram = co_await link->receive();
    EXPECT_TRUE(datagram.ok());
    if (!datagram) co_return Json();
    fds = std::move(datagram->fds);
    co_return Json::parse(datagram->bytes);
  }
  loop::EventLoop& loop;
  loop::UniqueFd launcher_end;
  std::unique_ptr<loop::DatagramSocket> link;
  std::vector<loop::UniqueFd> fds;
};

Json ready_message(int wire = 1) {
  return Json{{"op", "ready"}, {"wire", wire}, {"pid", ::getpid()}, {"fork_safe", false}, {"reason", "threads"}};
}

TaskStart work_task() {
  return TaskStart{.step = "work", .label = "1/work/2", .attempt = 1, .fresh = true, .environment = {{"A", "b"}}};
}

TEST(HostLauncher, TellsWhatTheHostIs) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  auto body = [&]() -> Async<void> {
    co_await host.say(ready_message());
    auto info = co_await launcher.ready();
    EXPECT_TRUE(info.ok());
    EXPECT_EQ(info->pid, ::getpid());
    EXPECT_FALSE(info->fork_safe);
    EXPECT_EQ(info->reason, "threads");
  };
  loop.block_on(body());
}

TEST(HostLauncher, RefusesAHostOfAnotherVersion) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  auto body = [&]() -> Async<void> {
    co_await host.say(ready_message(99));
    auto info = co_await launcher.ready();
    EXPECT_FALSE(info.ok());
    EXPECT_EQ(info.error().kind, Kind::misuse);
    EXPECT_NE(info.error().why.find("99"), std::string::npos);
  };
  loop.block_on(body());
}

TEST(HostLauncher, StartsATaskWithItsDoorAndPipes) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  std::optional<Result<Started>> started;
  std::optional<Result<TaskExit>> exit;
  auto start = [&]() -> Async<void> {
    auto task = work_task();
    started = co_await launcher.start(std::move(task));
    if (started->ok()) exit = co_await launcher.exited((*started)->id);
  };
  auto serve = [&]() -> Async<void> {
    Json message = co_await host.hear();
    EXPECT_EQ(message["op"], "start");
    EXPECT_EQ(message["step"], "work");
    EXPECT_EQ(message["label"], "1/work/2");
    EXPECT_EQ(message["attempt"], 1);
    EXPECT_EQ(message["fresh"], true);
    EXPECT_EQ(message["environment"]["A"], "b");
    EXPECT_EQ(host.fds.size(), 3u);
    EXPECT_EQ(::write(host.fds[1].get(), "out", 3), 3);
    Json is_started{{"op", "started"}, {"id", message["id"]}, {"pid", 4000000}, {"how", "fresh"}, {"reason", "asked"}};
    co_await host.say(is_started);
    Json has_exited{{"op", "exited"}, {"id", message["id"]}, {"pid", 4000000}, {"status", 256}, {"user_ms", 3},
                    {"system_ms", 4}, {"peak_kb", 5}};
    co_await host.say(has_exited);
  };
  loop::TaskGroup group(loop);
  group.spawn(start());
  group.spawn(serve());
  loop.block_on(group.wait());
  ASSERT_TRUE(started && started->ok());
  EXPECT_EQ((*started)->pid, 4000000);
  EXPECT_TRUE((*started)->fresh);
  EXPECT_EQ((*started)->reason, "asked");
  char text[4] = {};
  EXPECT_EQ(::read((*started)->out.get(), text, 3), 3);
  EXPECT_STREQ(text, "out");
  ASSERT_TRUE(exit && exit->ok());
  EXPECT_EQ((*exit)->status, 256);
  EXPECT_EQ((*exit)->peak_kb, 5);
  EXPECT_EQ(launcher.alive(), 0u);
}

TEST(HostLauncher, PassesOnWhyATaskCannotStart) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  std::optional<Result<Started>> started;
  auto start = [&]() -> Async<void> {
    auto task = work_task();
    started = co_await launcher.start(std::move(task));
  };
  auto serve = [&]() -> Async<void> {
    Json message = co_await host.hear();
    Json failed{{"op", "start_failed"}, {"id", message["id"]}, {"what", "cannot fork"}, {"why", "no memory"}};
    co_await host.say(failed);
  };
  loop::TaskGroup group(loop);
  group.spawn(start());
  group.spawn(serve());
  loop.block_on(group.wait());
  ASSERT_TRUE(started && !started->ok());
  EXPECT_EQ(started->error().what, "cannot fork");
  EXPECT_EQ(started->error().why, "no memory");
  EXPECT_EQ(launcher.alive(), 0u);
}

TEST(HostLauncher, ADeadHostEndsEveryWait) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  std::optional<Result<TaskExit>> exit;
  std::optional<Result<Started>> never;
  auto first = [&]() -> Async<void> {
    auto task = work_task();
    auto started = co_await launcher.start(std::move(task));
    EXPECT_TRUE(started.ok());
    if (started) exit = co_await launcher.exited(started->id);
  };
  auto second = [&]() -> Async<void> {
    auto task = work_task();
    never = co_await launcher.start(std::move(task));
  };
  auto serve = [&]() -> Async<void> {
    Json message = co_await host.hear();
    // A number that no process has: the launcher kills what is left of the group.
    Json is_started{{"op", "started"}, {"id", message["id"]}, {"pid", 4000000}, {"how", "fork"}};
    co_await host.say(is_started);
    co_await host.hear();
    host.link->close();
  };
  loop::TaskGroup group(loop);
  group.spawn(serve());
  group.spawn(first());
  group.spawn(second());
  loop.block_on(group.wait());
  ASSERT_TRUE(exit && !exit->ok());
  EXPECT_NE(exit->error().what.find("task host has ended"), std::string::npos);
  ASSERT_TRUE(never && !never->ok());
}

TEST(HostLauncher, SignalsAGroupOnlyUntilItsExitReport) {
  loop::EventLoop loop;
  FakeHost host(loop);
  HostLauncher launcher(loop, std::move(host.launcher_end));
  pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::pause();
    ::_exit(0);
  }
  ::setpgid(child, child);
  auto start = [&]() -> Async<void> {
    auto task = work_task();
    auto started = co_await launcher.start(std::move(task));
    EXPECT_TRUE(started.ok());
    if (!started) co_return;
    EXPECT_EQ(launcher.alive(), 1u);
    launcher.signal_group(started->id, SIGTERM);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    Json has_exited{{"op", "exited"}, {"id", started->id}, {"pid", child}, {"status", status}};
    co_await host.say(has_exited);
    auto exit = co_await launcher.exited(started->id);
    EXPECT_TRUE(exit.ok());
    // The number is free now. Sending to our own group instead would end this test.
    launcher.signal_group(started->id, SIGKILL);
  };
  auto serve = [&]() -> Async<void> {
    Json message = co_await host.hear();
    Json is_started{{"op", "started"}, {"id", message["id"]}, {"pid", child}, {"how", "fork"}};
    co_await host.say(is_started);
  };
  loop::TaskGroup group(loop);
  group.spawn(start());
  group.spawn(serve());
  loop.block_on(group.wait());
}

TEST(HostLauncher, NonsenseFromTheHostIsAnError) {
  for (const char* text : {"nonsense", "[]", R"({"op": "dance"})", R"({"op": "started", "id": "x"})",
                           R"({"op": "started", "id": 1, "pid": -1})"}) {
    SCOPED_TRACE(text);
    loop::EventLoop loop;
    FakeHost host(loop);
    HostLauncher launcher(loop, std::move(host.launcher_end));
    auto body = [&]() -> Async<void> {
      auto sent = co_await host.link->send(text);
      EXPECT_TRUE(sent.ok());
      auto info = co_await launcher.ready();
      EXPECT_FALSE(info.ok());
    };
    loop.block_on(body());
  }
}

}  // namespace
}  // namespace headrace::launch
