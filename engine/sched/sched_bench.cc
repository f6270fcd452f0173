#include <benchmark/benchmark.h>

#include <deque>

#include <malloc.h>

#include "base/check.h"
#include "sched/scheduler.h"

namespace {

using namespace headrace;
using namespace headrace::sched;

flow::Graph foreach_flow() {
  auto graph = flow::Graph::make({{.name = "start", .kind = flow::StepKind::foreach, .next = {"work"}, .matching_join = "gather"},
                                  {.name = "work", .next = {"gather"}},
                                  {.name = "gather", .join = true, .next = {"end"}},
                                  {.name = "end", .kind = flow::StepKind::end}},
                                 "start", "end");
  HR_CHECK(graph.ok());
  return std::move(*graph);
}

/// A whole run of a foreach of range(0) with range(1) slots: two events a task. `per_event` is the number to look at.
void whole_run(benchmark::State& state) {
  const auto width = static_cast<std::int64_t>(state.range(0));
  const flow::Graph graph = foreach_flow();
  std::uint64_t events = 0;
  std::size_t most_bytes = 0;
  for (auto _ : state) {
    Scheduler scheduler(graph, {.max_workers = static_cast<int>(state.range(1)), .max_num_splits = width});
    Instant now{};
    std::deque<Event> due;
    const auto apply = [&](const Event& event) {
      ++events;
      now += 1us;
      for (Command& command : scheduler.apply(event, now)) {
        const auto* start = std::get_if<StartAttempt>(&command);
        if (start == nullptr) continue;
        AttemptEnded ended{.task = start->task, .attempt = 0, .exit_code = 0, .transition = Transition{}};
        if (start->step == 0) ended.transition = Transition{{"work"}, width};
        if (start->step == 1) ended.transition = Transition{{"gather"}, std::nullopt};
        if (start->step == 2) ended.transition = Transition{{"end"}, std::nullopt};
        due.push_back(AttemptStarted{.task = start->task, .attempt = 0});
        due.push_back(std::move(ended));
      }
    };
    apply(Begin{});
    while (!due.empty()) {
      const Event event = std::move(due.front());
      due.pop_front();
      apply(event);
      if ((events & 0xffff) == 0) most_bytes = std::max(most_bytes, static_cast<std::size_t>(mallinfo2().uordblks));
    }
    HR_CHECK(scheduler.finished());
  }
  state.counters["events"] = static_cast<double>(events);
  state.counters["per_event"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["MB"] = static_cast<double>(most_bytes) / 1e6;
}
BENCHMARK(whole_run)->Args({1'000, 16})->Args({100'000, 16})->Args({1'000'000, 16})->Args({1'000'000, 10'000})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
