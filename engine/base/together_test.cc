#include "base/together.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Together, DoesEachOnce) {
  std::mutex mutex;
  std::multiset<std::size_t> done;
  const auto work = [&](std::size_t i) -> Result<void> {
    const std::lock_guard lock{mutex};
    done.insert(i);
    return {};
  };
  ASSERT_TRUE(together(1000, 16, work).ok());
  EXPECT_EQ(done.size(), 1000U);
  EXPECT_EQ(std::set<std::size_t>(done.begin(), done.end()).size(), 1000U);
  ASSERT_TRUE(together(0, 16, work).ok());
  EXPECT_EQ(done.size(), 1000U);
}

TEST(Together, RunsSideBySideUpToItsBound) {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  int most = 0;
  bool met = false;
  const auto work = [&](std::size_t) -> Result<void> {
    std::unique_lock lock{mutex};
    most = std::max(most, ++running);
    met = met || running == 4;
    changed.notify_all();
    changed.wait(lock, [&] { return met; });  // ends only when four are here at a time
    --running;
    return {};
  };
  ASSERT_TRUE(together(40, 4, work).ok());
  EXPECT_EQ(most, 4);
}

TEST(Together, OneAtATimeStaysOnItsThread) {
  std::set<std::thread::id> threads;
  const auto work = [&](std::size_t) -> Result<void> {
    threads.insert(std::this_thread::get_id());
    return {};
  };
  ASSERT_TRUE(together(5, 1, work).ok());
  EXPECT_EQ(threads, std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST(Together, FirstErrorEndsIt) {
  std::atomic<int> begun{0};
  const auto work = [&](std::size_t i) -> Result<void> {
    ++begun;
    if (i >= 3) return Error{.kind = Kind::failed, .what = "number " + std::to_string(i)};
    return {};
  };
  const auto done = together(100, 1, work);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().what, "number 3");
  EXPECT_EQ(begun, 4);
  EXPECT_FALSE(together(100, 8, work).ok());
}

TEST(Together, CallsWithinCallsAreBounded) {
  std::atomic<int> done{0};
  const auto inner = [&](std::size_t) -> Result<void> {
    ++done;
    return {};
  };
  ASSERT_TRUE(together(100, 100, [&](std::size_t) { return together(100, 100, inner); }).ok());
  EXPECT_EQ(done, 10'000);
}

}  // namespace
}  // namespace headrace
