#include "loop/signals.h"

#include <csignal>
#include <vector>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::loop {
namespace {

Async<std::vector<int>> take(Signals& signals, int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(co_await signals.next());
  co_return numbers;
}

TEST(Signals, ComesOnceForEachDelivery) {
  EventLoop loop;
  Signals signals(loop, {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT});
  loop.post([] {
    std::raise(SIGINT);
    std::raise(SIGINT);
    std::raise(SIGTSTP);
    std::raise(SIGCONT);
  });
  EXPECT_THAT(loop.block_on(take(signals, 4)), ::testing::UnorderedElementsAre(SIGINT, SIGINT, SIGTSTP, SIGCONT));
}

TEST(Signals, CloseEndsTheWait) {
  EventLoop loop;
  Signals signals(loop, {SIGUSR1});
  loop.post([&] { loop.post([&] { signals.close(); }); });
  EXPECT_EQ(loop.block_on(take(signals, 2)), (std::vector<int>{0, 0}));
}

TEST(Signals, DefaultActionComesBack) {
  EventLoop loop;
  { Signals signals(loop, {SIGUSR1}); }
  struct sigaction action{};
  ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &action), 0);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

TEST(Signals, ResetTakesBackWhatPythonLeft) {
  (void)std::signal(SIGXFSZ, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  reset_signals();
  struct sigaction action{};
  (void)::sigaction(SIGXFSZ, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
  (void)::sigaction(SIGPIPE, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_IGN);
  pthread_sigmask(SIG_SETMASK, nullptr, &set);
  for (const int number : {SIGUSR2, SIGINT, SIGTERM, SIGHUP}) EXPECT_EQ(sigismember(&set, number), 0) << number;
}

TEST(Signals, AnInterruptBeforeTheWatchIsNotLost) {
  reset_signals(kEndings);
  ASSERT_EQ(::kill(::getpid(), SIGINT), 0);
  EventLoop loop;
  Signals signals(loop, {SIGINT});
  EXPECT_EQ(loop.block_on(signals.next()), SIGINT);
}

}  // namespace
}  // namespace headrace::loop
