#include "loop/task_group.h"

#include "loop/event.h"

namespace headrace::loop {

struct TaskGroup::State {
  explicit State(EventLoop& l) : loop(l), ended(l) {}
  EventLoop& loop;
  Event ended;
  std::size_t running = 0;
};

namespace {

template <class State>
Async<void> counted(std::shared_ptr<State> state, Async<void> coroutine) {
  co_await std::move(coroutine);
  if (--state->running == 0) state->ended.notify();
}

}  // namespace

TaskGroup::TaskGroup(EventLoop& loop) : state_(std::make_shared<State>(loop)) {}
TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(Async<void> coroutine) {
  ++state_->running;
  state_->loop.spawn(counted(state_, std::move(coroutine)));
}

Async<void> TaskGroup::wait() {
  const std::shared_ptr<State> state = state_;
  while (state->running > 0) co_await state->ended.wait();
}

std::size_t TaskGroup::size() const { return state_->running; }

}  // namespace headrace::loop
