#pragma once

#include <condition_variable>
#include <mutex>
#include <set>

#include "base/time.h"

namespace headrace::s3 {

/// Something on its way that can be ended from any thread.
class Underway {
 public:
  virtual ~Underway() = default;
  virtual void stop() = 0;
};

/// What is ended together: requests, other groups, and those who wait between two tries. Any thread.
class StopGroup final : public Underway {
 public:
  /// False when `stop` was called already: it may not start. `underway` must be removed before it goes.
  [[nodiscard]] bool add(Underway& underway);
  void remove(Underway& underway);
  void stop() override;
  [[nodiscard]] bool stopped() const;
  /// Waits so long; false, at once, when it is stopped.
  [[nodiscard]] bool pause(Duration how_long);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Underway*> running_;
  bool stopped_ = false;
};

/// A group of its own, ended with another one, for as long as this lives.
class SubGroup {
 public:
  explicit SubGroup(StopGroup& above) : above_(above) {
    if (!above_.add(group_)) group_.stop();
  }
  ~SubGroup() { above_.remove(group_); }
  SubGroup(const SubGroup&) = delete;
  SubGroup& operator=(const SubGroup&) = delete;

  StopGroup* operator->() { return &group_; }
  StopGroup& operator*() { return group_; }

 private:
  StopGroup& above_;
  StopGroup group_;
};

}  // namespace headrace::s3
