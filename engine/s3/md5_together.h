#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.h"

namespace headrace::s3 {

/// MD5 of what several threads fetch at the same time: side by side (codec/md5.h) it costs a quarter.
///
/// Each thread says with an `Expected` that it will come. The first that comes leads: it waits for others a little, computes for all
/// that are there, and lets another lead that came meanwhile. A thread that is alone does not wait; beside one that a slow service
/// keeps, it waits kGather for each of its objects.
class Md5Together {
 public:
  /// `at_once`: threads that may compute at the same time.
  explicit Md5Together(unsigned at_once);

  /// While it lives, others may wait for its owner to come.
  class Expected {
   public:
    explicit Expected(Md5Together& together);
    ~Expected();
    Expected(const Expected&) = delete;
    Expected& operator=(const Expected&) = delete;

    /// 32 lower-case hex digits; once. Empty when this libcrypto refuses MD5.
    [[nodiscard]] std::string hex(std::string_view bytes);

   private:
    void leave();

    Md5Together& together_;
    bool away_ = true;
  };

  static constexpr Duration kGather = 10ms;

 private:
  struct Job {
    std::string_view bytes;
    std::string hex{};
    bool done = false;
    bool leads = false;
    std::condition_variable changed{};
  };

  [[nodiscard]] std::string wait_for(std::string_view bytes);
  void lead(std::unique_lock<std::mutex>& lock, Job& job);
  /// Lets the one that has waited longest lead, `busy` aside, if another may compute and nobody gathers.
  void appoint(const Job* busy);

  std::mutex mutex_;
  std::condition_variable gathered_;  ///< one more has come, or will not
  std::deque<Job*> waiting_;
  unsigned away_ = 0;                 ///< expected and not here yet
  bool gathering_ = false;            ///< one leads and has not begun to compute
  unsigned computing_ = 0;
  unsigned at_once_;
};

}  // namespace headrace::s3
