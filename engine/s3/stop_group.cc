#include "s3/stop_group.h"

namespace headrace::s3 {

bool StopGroup::add(Underway& underway) {
  const std::lock_guard lock{mutex_};
  if (stopped_) return false;
  running_.insert(&underway);
  return true;
}

void StopGroup::remove(Underway& underway) {
  const std::lock_guard lock{mutex_};
  running_.erase(&underway);
}

void StopGroup::stop() {
  const std::lock_guard lock{mutex_};
  stopped_ = true;
  changed_.notify_all();
  for (Underway* underway : running_) underway->stop();
}

bool StopGroup::stopped() const {
  const std::lock_guard lock{mutex_};
  return stopped_;
}

bool StopGroup::pause(Duration how_long) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_for(lock, how_long, [this] { return stopped_; });
}

}  // namespace headrace::s3
