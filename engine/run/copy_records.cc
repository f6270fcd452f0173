// The run's metadata goes into its datastore too, a few times in its life: docs/decisions/0004.
#include <fmt/format.h>

#include <utility>

#include "run/driver.h"

namespace headrace::run {

namespace {

constexpr Duration kCopyEvery = 5s;
/// After an interrupt, a datastore that does not answer is given up so soon.
constexpr Duration kCopyAfterInterrupt = 10s;

}  // namespace

void Driver::begin_copy() {
  if (!parts_.copy) return;
  parts_.copy->begin(facts_.identity.run);
  copy_timer_ = std::make_unique<loop::Timer>(parts_.loop, [this] {
    if (!std::exchange(copying_, true)) work_.spawn(copy_often());
  });
  // At once: from now on the run can be found from elsewhere.
  copy_timer_->set(parts_.loop.now());
}

loop::Async<Result<void>> Driver::copy_now() {
  auto work = [copy = parts_.copy, now = parts_.loop.wall_now()] { return copy->flush(now); };
  co_return co_await parts_.pool.run(work);
}

loop::Async<void> Driver::copy_often() {
  // What failed is kept and goes with the next one; the last one tells.
  static_cast<void>(co_await copy_now());
  copying_ = false;
  if (!finish_) copy_timer_->set(parts_.loop.now() + kCopyEvery);
}

loop::Async<void> Driver::end_copy() {
  if (!copy_timer_) co_return;
  copy_timer_->cancel();
  loop::Timer give_up(parts_.loop, [this] {
    left_ = true;
    unheard_.notify();
  });
  if (finish_->end == sched::FinishRun::End::interrupted) give_up.set(parts_.loop.now() + kCopyAfterInterrupt);
  auto copying = copy_now();
  auto copied = co_await unless_left(std::move(copying));
  if (copied && *copied) co_return;
  not_copied_ = copied ? std::move(*copied).error() : Error{.kind = Kind::failed, .what = "the datastore did not answer in time"};
  not_copied_->what = "the copy of the run's metadata in its datastore is not complete: " + not_copied_->what;
  if (not_copied_->where.empty()) not_copied_->where = parts_.data.location(spec_.flow + "/" + facts_.identity.run.str());
  not_copied_->next = fmt::format("nothing is missing on this machine, in {}; from others the run can be resumed, but is shown only as far as "
                                  "it was copied", spec_.metadata_root);
}

}  // namespace headrace::run
