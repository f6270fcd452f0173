#include "agent/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>

#include <gtest/gtest.h>

namespace headrace::agent {
namespace {

struct Ran {
  std::string out;
  int status = -1;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

/// Blocks until the child's end: its stdout has no other holder then.
Result<Ran> run(std::vector<std::string> command, std::map<std::string, std::string> environment, std::string folder = "/") {
  auto out = HR_TRY(loop::make_pipe());
  auto err = HR_TRY(loop::make_pipe());
  auto door = HR_TRY(loop::make_datagram_pair());
  const int number = door.second.get();
  environment["DOOR"] = std::to_string(number);
  const pid_t pid = HR_TRY(start_child({.command = std::move(command),
                                        .environment = std::move(environment),
                                        .folder = std::move(folder),
                                        .out = std::move(out.second),
                                        .err = std::move(err.second),
                                        .door = std::move(door.second)}));
  Ran ran;
  ran.out = read_all(out.first.get());
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  const auto end = reap(pid);
  if (end) ran.status = end->status;
  return ran;
}

TEST(Child, HasItsEnvironmentFolderAndDoor) {
  const auto ran = run({"/bin/sh", "-c", "pwd; echo $A; [ -e /proc/self/fd/$DOOR ] && echo open; env | wc -l; exit 7"}, {{"A", "b c"}}, "/tmp");
  ASSERT_TRUE(ran.ok()) << to_text(ran.error());
  EXPECT_EQ(ran->out.substr(0, 15), "/tmp\nb c\nopen\n3") << ran->out;  // A, DOOR and PWD.
  EXPECT_EQ(WEXITSTATUS(ran->status), 7);
}

TEST(Child, HasNoOtherDescriptor) {
  const loop::UniqueFd leaking(::open("/dev/null", O_RDONLY));
  const auto ran = run({"/bin/sh", "-c", "[ -e /proc/self/fd/$OTHER ] || echo closed"}, {{"OTHER", std::to_string(leaking.get())}});
  ASSERT_TRUE(ran.ok()) << to_text(ran.error());
  EXPECT_EQ(ran->out, "closed\n");
}

TEST(Child, LeadsAGroupAndHasDefaultSignals) {
  ::signal(SIGUSR1, SIG_IGN);
  const auto ran = run({"/bin/sh", "-c", "ps -o pgid= -p $$ 2>/dev/null | grep -qw $$ && echo leads; kill -USR1 $$; echo survived"},
                       {{"PATH", "/usr/bin:/bin"}});
  ::signal(SIGUSR1, SIG_DFL);
  ASSERT_TRUE(ran.ok());
  EXPECT_TRUE(WIFSIGNALED(ran->status));
  EXPECT_EQ(ran->out.find("survived"), std::string::npos);
}

TEST(Child, ProgramThatIsNotThereIsAnError) {
  auto ran = run({"no-such-python", "x"}, {});
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().kind, Kind::missing);
  EXPECT_EQ(ran.error().what, "`no-such-python` cannot be started");
  ran = run({"/no/such/python"}, {});
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().kind, Kind::missing);
  ran = run({"/bin/sh", "-c", "exit"}, {}, "/no/such/folder");
  ASSERT_FALSE(ran.ok());
  EXPECT_NE(ran.error().what.find("/no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace headrace::agent
