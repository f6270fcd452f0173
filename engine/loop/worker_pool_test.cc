#include "loop/worker_pool.h"

#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "loop/task_group.h"

namespace headrace::loop {
namespace {

Async<void> check_threads(WorkerPool& pool) {
  const auto here = std::this_thread::get_id();
  auto work = [] { return std::this_thread::get_id(); };
  const auto there = co_await pool.run(work);
  EXPECT_NE(here, there);
  EXPECT_EQ(std::this_thread::get_id(), here);
}

TEST(WorkerPool, WorksThereAndGoesOnHere) {
  EventLoop loop;
  WorkerPool pool(loop, 2);
  loop.block_on(check_threads(pool));
}

TEST(WorkerPool, TakesAndGivesWhatCanOnlyBeMoved) {
  EventLoop loop;
  WorkerPool pool(loop, 1);
  auto value = std::make_unique<std::string>("a");
  auto work = [moved = std::move(value)]() mutable {
    *moved += "b";
    return std::move(moved);
  };
  auto result = loop.block_on(pool.run(work));
  EXPECT_EQ(*result, "ab");
}

Async<void> share(WorkerPool& pool, std::shared_ptr<int> value) {
  auto work = [value] { return value; };
  std::shared_ptr<int> back = co_await pool.run(work);
  EXPECT_EQ(back, value);
}

TEST(WorkerPool, KeepsNothing) {
  EventLoop loop;
  WorkerPool pool(loop, 1);
  auto value = std::make_shared<int>(1);
  loop.block_on(share(pool, value));
  EXPECT_EQ(value.use_count(), 1);
}

TEST(WorkerPool, ManyAtOnce) {
  EventLoop loop;
  WorkerPool pool(loop, 4);
  TaskGroup group(loop);
  int sum = 0;  // Changed on the loop thread alone.
  for (int i = 1; i <= 1000; ++i) {
    group.spawn([](WorkerPool& p, int n, int& total) -> Async<void> {
      auto work = [n] { return n * 2; };
      const int result = co_await p.run(work);
      total += result;
    }(pool, i, sum));
  }
  loop.block_on(group.wait());
  EXPECT_EQ(sum, 1001000);
}

TEST(WorkerPool, RunOfTheLoopWaitsForAThread) {
  EventLoop loop;
  WorkerPool pool(loop, 1);
  bool done = false;
  loop.spawn([](WorkerPool& p, bool& d) -> Async<void> {
    auto work = [] {};
    co_await p.run(work);
    d = true;
  }(pool, done));
  loop.run();
  EXPECT_TRUE(done);
}

TEST(WorkerPool, JoinFinishesAllWork) {
  EventLoop loop;
  WorkerPool pool(loop, 2);
  std::atomic<int> done = 0;
  for (int i = 0; i < 100; ++i) pool.post([&] { ++done; });
  pool.join();
  EXPECT_EQ(done, 100);
}

TEST(WorkerPool, LoopMayStopWhileAThreadWorks) {
  EventLoop loop;
  WorkerPool pool(loop, 1);
  std::atomic<bool> release = false;
  loop.spawn([](WorkerPool& p, std::atomic<bool>& r) -> Async<void> {
    auto work = [&r] { r.wait(false); };
    co_await p.run(work);
    ADD_FAILURE() << "the loop was stopped before";
  }(pool, release));
  loop.post([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  release = true;
  release.notify_all();
}

}  // namespace
}  // namespace headrace::loop
