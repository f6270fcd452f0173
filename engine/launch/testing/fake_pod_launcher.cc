#include "launch/testing/fake_pod_launcher.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace headrace::launch::testing {

FakePodLauncher::FakePodLauncher(loop::EventLoop& loop) : loop_(loop), changed_(loop) {}

loop::Async<void> FakePodLauncher::until_running(std::size_t count) {
  while (running_.size() < count) co_await changed_.wait();
}

loop::Async<void> FakePodLauncher::until_begun() {
  while (!begun) co_await changed_.wait();
}

loop::Async<void> FakePodLauncher::until_removing() {
  while (!removing) co_await changed_.wait();
}

loop::Async<Result<PodEnd>> FakePodLauncher::until_stopped(Pod& pod) {
  while (!pod.stopped) co_await changed_.wait();
  PodEnd end;
  end.outcome = PodOutcome::stopped;
  end.exit_code = 137;
  end.pod = pod.name;
  end.namespace_ = "default";
  end.cause = Error{.kind = Kind::failed, .what = "the pod was removed"};
  co_return end;
}

loop::Async<Result<void>> FakePodLauncher::begin(RunName run, std::vector<PodStep> steps, std::function<void(std::string)> note) {
  HR_CHECK(!begun);
  begun = std::move(run);
  for (const PodStep& step : steps) begun_steps.push_back(step.step);
  note("the cluster is a fake");
  changed_.notify();
  co_await loop_.yield();
  while (begin_hangs && (!given_up || deaf)) co_await changed_.wait();
  if (given_up) co_return Error{.kind = Kind::failed, .what = "given up"};
  co_return begin_answer;
}

void FakePodLauncher::give_up() {
  given_up = true;
  changed_.notify();
}

loop::Async<Result<PodEnd>> FakePodLauncher::run(PodStart start, PodListener& listener) {
  HR_CHECK(begun && begin_answer && !ended);
  HR_CHECK(attempts_.insert(fmt::format("{}.{}", start.label, start.attempt)).second);
  started.push_back(start);
  if (removing) co_return Error{.kind = Kind::failed, .what = "the run is being removed"};
  Pod pod{.start = std::move(start), .listener = listener, .name = fmt::format("pod-{}", started.size())};
  running_[pod.name] = &pod;
  running_most = std::max(running_most, running_.size());
  changed_.notify();
  co_await loop_.yield();
  pod.listener.placed(pod.name);
  auto playing = play ? play(pod) : until_stopped(pod);
  auto end = co_await std::move(playing);
  running_.erase(pod.name);
  if (end && end->pod.empty()) end->pod = pod.name;
  if (end && end->namespace_.empty()) end->namespace_ = "default";
  changed_.notify();
  co_return end;
}

loop::Async<Result<void>> FakePodLauncher::read_log(std::string, std::string, std::uint64_t seq, PodListener& listener) {
  for (std::uint64_t i = seq; i < log.size(); ++i) listener.output(false, loop_.wall_now(), i + 1, log[i]);
  co_return Result<void>{};
}

void FakePodLauncher::stop(std::string_view label, int attempt) {
  for (auto& [name, pod] : running_) {
    if (pod->start.label == label && pod->start.attempt == attempt) pod->stopped = true;
  }
  changed_.notify();
}

loop::Async<Result<Removed>> FakePodLauncher::remove_all() {
  HR_CHECK(begun && !removing);
  removing = true;
  Removed removed{.pods = running_.size(), .namespaces = {"default"}, .left = {}};
  changed_.notify();
  while (removal_hangs) co_await changed_.wait();
  for (auto& [name, pod] : running_) pod->stopped = true;
  changed_.notify();
  while (!running_.empty()) co_await changed_.wait();
  co_return removed;
}

std::vector<std::string> FakePodLauncher::alive() const {
  std::vector<std::string> names;
  for (const auto& [name, pod] : running_) names.push_back("default/" + name);
  return names;
}

loop::Async<Result<void>> FakePodLauncher::end() {
  HR_CHECK(running_.empty() && !ended);
  ended = true;
  co_return Result<void>{};
}

}  // namespace headrace::launch::testing
