#include "base/together.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace headrace {
namespace {

/// Helpers of a process, of all calls together. Each waits for one request, mostly.
constexpr int kHelpersMax = 64;

std::atomic<int>& helpers() {
  static std::atomic<int> running{0};
  return running;
}

bool take_helper() {
  if (helpers().fetch_add(1) < kHelpersMax) return true;
  helpers().fetch_sub(1);
  return false;
}

}  // namespace

Result<void> together(std::size_t count, std::size_t at_once, const std::function<Result<void>(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::size_t lowest = std::numeric_limits<std::size_t>::max();
  std::optional<Error> error;
  const auto go_on = [&] {
    for (;;) {
      if (failed) return;
      const std::size_t i = next++;
      if (i >= count) return;
      auto done = work(i);
      if (done) continue;
      failed = true;
      const std::lock_guard lock{mutex};
      if (i < lowest) {
        lowest = i;
        error = std::move(done).error();
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(count, at_once) && take_helper(); ++i) {
    try {
      threads.emplace_back([&go_on] { go_on(); });
    } catch (const std::system_error&) {
      // The system has no thread left: those that are there do the work.
      helpers().fetch_sub(1);
      break;
    }
  }
  go_on();
  for (std::thread& thread : threads) {
    thread.join();
    helpers().fetch_sub(1);
  }
  if (error) return std::move(*error);
  return {};
}

}  // namespace headrace
