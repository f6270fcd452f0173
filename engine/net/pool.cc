#include "net/pool.h"

#include <fmt/format.h>

namespace headrace::net {

namespace {

Error closed_here() { return Error{.kind = Kind::missing, .what = "the HTTP client was closed"}; }

}  // namespace

Pool::Pool(loop::EventLoop& loop, HttpSettings settings, Route route)
    : loop_(loop), settings_(std::move(settings)), route_(std::move(route)), sweep_(loop, [this] { drop_old(); }) {}

Pool::Place::~Place() {
  if (pool_) pool_->give_back(streams_);
}

loop::Async<Result<Pool::Place>> Pool::place(bool streams, std::optional<Instant> deadline) {
  const auto self = shared_from_this();
  if (closed_) co_return closed_here();
  if (streams) {
    if (streaming_ >= settings_.streams_max) {
      co_return Error{.kind = Kind::retry, .what = fmt::format("{} streams from {} are open, the most at once", streaming_,
                                                               settings_.base.authority())};
    }
    ++streaming_;
    co_return Place(self, true);
  }
  if (sending_ < settings_.connections_max && waiting_.empty()) {
    ++sending_;
    co_return Place(self, false);
  }
  const auto waiter = std::make_shared<Waiter>(loop_);
  waiting_.push_back(waiter);
  while (!waiter->granted) {
    const bool in_time = co_await waiter->turn.wait_until(deadline.value_or(Instant::max()));
    if (waiter->granted) break;
    if (closed_) co_return closed_here();
    if (in_time) continue;
    waiting_.remove(waiter);
    co_return Error{.kind = Kind::retry, .what = fmt::format("no connection to {} was free in time", settings_.base.authority())};
  }
  co_return Place(self, false);
}

void Pool::give_back(bool streams) {
  if (streams) {
    --streaming_;
    return;
  }
  if (waiting_.empty()) {
    --sending_;
    return;
  }
  waiting_.front()->granted = true;  // The place goes over to it.
  waiting_.front()->turn.notify();
  waiting_.pop_front();
}

std::shared_ptr<ByteStream> Pool::take_kept() {
  drop_old();
  while (!kept_.empty()) {
    std::shared_ptr<ByteStream> stream = std::move(kept_.back().stream);
    kept_.pop_back();
    if (stream->quiet()) return stream;
    stream->close();
  }
  return nullptr;
}

void Pool::drop_kept() {
  for (const Kept& kept : kept_) kept.stream->close();
  kept_.clear();
}

void Pool::keep(std::shared_ptr<ByteStream> stream) {
  if (closed_ || kept_.size() >= static_cast<std::size_t>(settings_.connections_max) || !stream->quiet()) {
    stream->close();
    return;
  }
  kept_.push_back({std::move(stream), loop_.now()});
  if (!sweep_.armed()) sweep_.set(loop_.now() + settings_.idle_max);
}

void Pool::drop_old() {
  const Instant oldest = loop_.now() - settings_.idle_max;
  while (!kept_.empty() && kept_.front().since <= oldest) {
    kept_.front().stream->close();
    kept_.pop_front();
  }
  if (kept_.empty()) {
    sweep_.cancel();
  } else if (!sweep_.armed()) {
    sweep_.set(kept_.front().since + settings_.idle_max);
  }
}

loop::Async<Result<std::shared_ptr<ByteStream>>> Pool::connect_new(std::shared_ptr<Closer> closer, Instant deadline) {
  if (closed_) co_return closed_here();
  ++made_;
  co_return co_await connect(loop_, route_, std::move(closer), deadline);
}

void Pool::close() {
  closed_ = true;
  sweep_.cancel();
  drop_kept();
  const auto live = live_;
  for (const auto& closer : live) closer->close();
  for (const auto& waiter : std::exchange(waiting_, {})) waiter->turn.notify();
}

}  // namespace headrace::net
