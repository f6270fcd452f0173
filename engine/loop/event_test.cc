#include "loop/event.h"

#include <gtest/gtest.h>

namespace headrace::loop {
namespace {

Async<void> wait_for(Event& event, bool& condition, int& woken) {
  while (!condition) co_await event.wait();
  ++woken;
}

TEST(Event, WakesAllThatWait) {
  EventLoop loop;
  Event event(loop);
  bool condition = false;
  int woken = 0;
  for (int i = 0; i < 3; ++i) loop.spawn(wait_for(event, condition, woken));
  loop.spawn([](EventLoop& l, Event& e, bool& c) -> Async<void> {
    co_await l.yield();
    e.notify();  // Nothing has changed: they wait again.
    co_await l.yield();
    c = true;
    e.notify();
    e.notify();
  }(loop, event, condition));
  loop.run();
  EXPECT_EQ(woken, 3);
}

TEST(Event, KeepsNoMemory) {
  EventLoop loop;
  Event event(loop);
  event.notify();
  EXPECT_FALSE(loop.block_on(event.wait_until(loop.now() + 1ms)));
}

TEST(Event, AnEarlyNotifyBeatsTheDeadline) {
  EventLoop loop;
  Event event(loop);
  loop.post([&] { loop.post([&] { event.notify(); }); });
  EXPECT_TRUE(loop.block_on(event.wait_until(loop.now() + 1h)));
}

TEST(Event, APassedDeadlineReturns) {
  EventLoop loop;
  Event event(loop);
  EXPECT_FALSE(loop.block_on(event.wait_until(loop.now() - 1s)));
}

TEST(Event, LoopMayBeDestroyedWhileSomebodyWaits) {
  bool never = false;
  int woken = 0;
  EventLoop loop;
  auto event = std::make_shared<Event>(loop);
  loop.spawn([](std::shared_ptr<Event> kept, bool& c, int& w) -> Async<void> { co_await wait_for(*kept, c, w); }(event, never, woken));
  loop.post([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  EXPECT_EQ(woken, 0);
}

}  // namespace
}  // namespace headrace::loop
