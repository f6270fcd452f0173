#pragma once

#include <functional>
#include <utility>

namespace headrace::loop {

/// Says to what waits that it is no longer wanted. Who asks and who waits share it, on one loop's thread.
class Stop {
 public:
  /// What ends the wait, instead of what was set before; called at once if it has been stopped.
  void on_stop(std::function<void()> end) {
    end_ = std::move(end);
    if (stopped_) end_();
  }
  void stop() {
    stopped_ = true;
    if (end_) end_();
  }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::function<void()> end_;
  bool stopped_ = false;
};

}  // namespace headrace::loop
