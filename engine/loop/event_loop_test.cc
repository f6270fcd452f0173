#include "loop/event_loop.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "loop/async_lock.h"
#include "loop/task_group.h"
#include "loop/timer.h"

namespace headrace::loop {
namespace {

Async<int> add(EventLoop& loop, int a, int b) {
  co_await loop.yield();
  co_return a + b;
}

TEST(EventLoop, BlocksOnAValue) {
  EventLoop loop;
  EXPECT_EQ(loop.block_on(add(loop, 2, 3)), 5);
  EXPECT_EQ(loop.block_on(add(loop, 4, 5)), 9);  // And again.
}

TEST(EventLoop, RunEndsWhenNothingIsLeft) {
  EventLoop loop;
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, PostFromAnotherThread) {
  EventLoop loop;
  std::thread::id handled;
  std::thread other([&] { loop.post([&] { handled = std::this_thread::get_id(); }); });
  other.join();
  loop.run();
  EXPECT_EQ(handled, std::this_thread::get_id());
}

TEST(EventLoop, SleepsUntilTheDeadline) {
  EventLoop loop;
  const Instant deadline = loop.now() + 5ms;
  loop.block_on(loop.sleep_until(deadline));
  EXPECT_GE(loop.now(), deadline);
}

TEST(EventLoop, DestroysWhatStillWaits) {
  auto token = std::make_shared<int>(1);
  {
    EventLoop loop;
    loop.spawn([](EventLoop& l, std::shared_ptr<int> kept) -> Async<void> {
      co_await l.sleep_until(Instant::max());
      (void)kept;
    }(loop, token));
    loop.post([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

Async<void> throws(EventLoop& loop) {
  co_await loop.yield();
  throw std::runtime_error("thrown on purpose");
}

TEST(EventLoopDeathTest, AnExceptionThatLeavesACoroutineStopsTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        EventLoop loop;
        loop.spawn(throws(loop));
        loop.run();
      },
      "thrown on purpose");
}

TEST(Timer, FiresOnceAndCanBeMovedAndCancelled) {
  EventLoop loop;
  int fired = 0;
  Timer moved(loop, [&] { ++fired; });
  Timer cancelled(loop, [&] { fired += 100; });
  cancelled.set(loop.now() + 1ms);
  moved.set(loop.now() + 1h);
  moved.set(loop.now() - 1s);
  EXPECT_TRUE(moved.armed());
  cancelled.cancel();
  EXPECT_FALSE(cancelled.armed());
  loop.run();
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(moved.armed());
}

TEST(Timer, MaySetItselfAgain) {
  EventLoop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    if (++fired < 3) timer->set(loop.now());
  });
  timer->set(loop.now());
  loop.run();
  EXPECT_EQ(fired, 3);
}

Async<void> hold(EventLoop& loop, AsyncLock& lock, std::string& trace, char name) {
  const AsyncLock::Guard guard = co_await lock.acquire();
  trace += name;
  co_await loop.yield();
  co_await loop.yield();
  trace += name;
}

TEST(AsyncLock, LetsOneThroughInOrder) {
  EventLoop loop;
  AsyncLock lock(loop);
  std::string trace;
  for (const char name : {'a', 'b', 'c'}) loop.spawn(hold(loop, lock, trace, name));
  loop.run();
  EXPECT_EQ(trace, "aabbcc");
}

Async<void> grow(EventLoop& loop, TaskGroup& group, int depth, int& ended) {
  co_await loop.yield();
  if (depth > 0) group.spawn(grow(loop, group, depth - 1, ended));
  ++ended;
}

TEST(TaskGroup, WaitsAlsoForWhatIsSpawnedMeanwhile) {
  EventLoop loop;
  TaskGroup group(loop);
  int ended = 0;
  group.spawn(grow(loop, group, 3, ended));
  group.spawn(grow(loop, group, 0, ended));
  EXPECT_EQ(group.size(), 2u);
  loop.block_on(group.wait());
  EXPECT_EQ(ended, 5);
  EXPECT_EQ(group.size(), 0u);
}

}  // namespace
}  // namespace headrace::loop
