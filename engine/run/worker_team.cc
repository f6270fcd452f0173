#include "run/worker_team.h"

#include <signal.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include <utility>

#include "run/driver.h"

namespace headrace::run {

namespace {

/// Bounds what one wrong number can start.
constexpr std::int64_t kWorkersMax = 10'000;

}  // namespace

WorkerTeam::WorkerTeam(Driver& driver, LiveAttempt& control, attempt::Assignment control_assignment)
    : driver_(driver),
      control_(control),
      base_(std::move(control_assignment)),
      running_(driver.parts_.loop),
      changed_(driver.parts_.loop) {}

WorkerTeam::~WorkerTeam() = default;

Result<launch::OutputEnds> WorkerTeam::make_output() {
  out_ = HR_TRY(loop::make_pipe());
  err_ = HR_TRY(loop::make_pipe());
  return launch::OutputEnds{.out = out_.second.get(), .err = err_.second.get()};
}

void WorkerTeam::take_read_ends(loop::UniqueFd& out, loop::UniqueFd& err) {
  out = std::move(out_.first);
  err = std::move(err_.first);
}

loop::Async<Result<std::vector<TaskPath>>> WorkerTeam::start(std::int64_t count) {
  if (count < 0 || count > kWorkersMax || !workers_.empty() || ending_) {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("{} workers cannot be started", count),
                    .where = control_.label,
                    .why = workers_.empty() ? fmt::format("at most {} can", kWorkersMax) : "they have been started already"};
  }
  std::vector<TaskPath> paths;
  for (std::int64_t node = 1; node <= count; ++node) {
    auto worker = std::make_unique<Worker>();
    worker->assignment = attempt::worker_of(base_, node);
    worker->session = std::make_unique<attempt::Session>(driver_.services(), worker->assignment, nullptr);
    paths.push_back(worker->assignment.path.task);
    workers_.push_back(std::move(worker));
  }
  for (auto& worker : workers_) running_.spawn(run_worker(worker.get()));
  co_return paths;
}

loop::Async<void> WorkerTeam::run_worker(Worker* worker) {
  const flow::Step& step = driver_.spec_.graph.step(control_.step);
  launch::TaskStart start{.step = step.name.str(),
                          .label = worker->assignment.path.task.str(),
                          .attempt = control_.attempt,
                          .fresh = step.fresh,
                          .environment = step.environment};
  launch::OutputEnds ends{.out = out_.second.get(), .err = err_.second.get()};
  auto started = co_await driver_.parts_.launcher.start(std::move(start), ends);
  if (started) {
    worker->launch_id = started->id;
    if (ending_) driver_.parts_.launcher.signal_group(worker->launch_id, SIGKILL);
    loop::TaskGroup serving(driver_.parts_.loop);
    serving.spawn(worker->session->serve(loop::DatagramSocket(driver_.parts_.loop, std::move(started->door))));
    auto exit = co_await driver_.parts_.launcher.exited(worker->launch_id);
    worker->failed = !exit || exit->status != 0 || !worker->session->committed();
    worker->session->stop();
    co_await serving.wait();
  } else {
    driver_.own_line(control_, Stream::err, started.error().what + ": " + started.error().why, true);
    worker->failed = true;
  }
  auto begun = co_await worker->session->ensure_begun();
  if (!begun) driver_.broken(begun.error());
  worker->ended = true;
  changed_.notify();
}

loop::Async<std::vector<TaskPath>> WorkerTeam::wait() {
  auto all_ended = [this] {
    for (auto& worker : workers_) {
      if (!worker->ended) return false;
    }
    return true;
  };
  while (!all_ended()) co_await changed_.wait();
  std::vector<TaskPath> failed;
  for (auto& worker : workers_) {
    if (worker->failed) failed.push_back(worker->assignment.path.task);
  }
  co_return failed;
}

void WorkerTeam::signal(int number) {
  if (number == SIGKILL) ending_ = true;
  for (auto& worker : workers_) {
    if (worker->launch_id != 0 && !worker->ended) driver_.parts_.launcher.signal_group(worker->launch_id, number);
  }
}

loop::Async<void> WorkerTeam::end() {
  signal(SIGKILL);
  co_await running_.wait();
  out_ = {};
  err_ = {};
}

}  // namespace headrace::run
