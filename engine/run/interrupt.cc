// Signals of the terminal and of other programs.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "run/driver.h"
#include "run/worker_team.h"

namespace headrace::run {

namespace {

constexpr Duration kPreparationMax = 2s;

/// The parent of a process, from /proc; 0 if it cannot be told.
pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 >= text.size()) return 0;
  return static_cast<pid_t>(std::atoi(text.c_str() + name_end + 4));
}

/// True if a process of this session, outside of this process group, is an ancestor: a shell with job control.
bool somebody_can_continue() {
  pid_t session = ::getsid(0);
  for (pid_t pid = ::getppid(); pid > 0 && ::getsid(pid) == session; pid = parent_of(pid)) {
    if (::getpgid(pid) != ::getpgrp()) return true;
  }
  return false;
}

}  // namespace

loop::Async<void> Driver::watch_signals() {
  signals_ = std::make_unique<loop::Signals>(
      parts_.loop, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT});
  loop::Signals& signals = *signals_;
  while (int number = co_await signals.next()) {
    if (ended_) {
      // Exit hooks may hang: one more signal ends them too.
      if (number != SIGTSTP && number != SIGCONT) {
        parts_.launcher.signal_host(SIGKILL);
        leave();
      }
      continue;
    }
    switch (number) {
      case SIGTSTP: stop_like_the_terminal_asked(); break;
      case SIGCONT:
        // Also after a SIGSTOP that nobody could see coming.
        parts_.launcher.signal_host(SIGCONT);
        parts_.launcher.signal_all(SIGCONT);
        break;
      default: interrupt();
    }
  }
}

void Driver::interrupt() {
  bool again = std::exchange(stopped_, true);
  if (again) leave();
  // Before anything has begun there is nothing to store; and who asks twice shall not wait for storage that does not answer.
  if (again || (!scheduler_ && !spec_.spin)) parts_.data.stop();
  // The cluster takes back what was made; if it does not answer, nobody waits for it.
  if (!again && pods_touched_ && !pods_begun_) {
    parts_.pods->give_up();
    preparation_.set(parts_.loop.now() + kPreparationMax);
  }
  if (scheduler_) {
    feed(sched::Interrupted{});
  } else if (spec_.spin) {
    for (auto& [key, live] : live_) {
      live->killed = live->killed || again;
      parts_.launcher.signal_group(live->launch_id, again ? SIGKILL : SIGINT);
    }
  }
}

void Driver::stop_like_the_terminal_asked() {
  // Without a shell that could continue us (the first process of a container), stopping would be for ever.
  if (!somebody_can_continue()) return;
  // Tasks are in groups of their own, so Ctrl-Z reaches nobody but us.
  parts_.launcher.signal_all(SIGSTOP);
  parts_.launcher.signal_host(SIGSTOP);
  ::kill(::getpid(), SIGSTOP);
  parts_.launcher.signal_host(SIGCONT);
  parts_.launcher.signal_all(SIGCONT);
}

}  // namespace headrace::run
