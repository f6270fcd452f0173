#include "launch/host_launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launch/host_messages.h"

namespace headrace::launch {

namespace {

struct Task {
  explicit Task(loop::EventLoop& loop) : changed(loop) {}
  loop::Event changed;
  pid_t pid = 0;  ///< 0 until started
  bool fresh = false;
  std::string reason;
  std::optional<Error> failure;  ///< it could not be started
  std::optional<TaskExit> exit;
};

struct StartEnds {
  loop::FdPair door;
  loop::FdPair out;
  loop::FdPair err;
};

Result<StartEnds> make_ends(const std::optional<OutputEnds>& output) {
  StartEnds ends;
  ends.door = HR_TRY(loop::make_datagram_pair());
  if (output) {
    ends.out.second = loop::UniqueFd(::fcntl(output->out, F_DUPFD_CLOEXEC, 0));
    ends.err.second = loop::UniqueFd(::fcntl(output->err, F_DUPFD_CLOEXEC, 0));
    if (!ends.out.second || !ends.err.second) return system_error(errno, "a task's output cannot be shared");
    return ends;
  }
  ends.out = HR_TRY(loop::make_pipe());
  ends.err = HR_TRY(loop::make_pipe());
  return ends;
}

/// How the host ended, from the kernel: the host is our child, since we are what its parent has become.
std::string host_end(pid_t pid) {
  int status = 0;
  if (pid <= 0 || ::waitpid(pid, &status, WNOHANG) != pid) return "its end of the link was closed";
  if (WIFSIGNALED(status)) return fmt::format("it was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("it exited with code {}", WEXITSTATUS(status));
}

}  // namespace

struct HostLauncher::State {
  State(loop::EventLoop& event_loop, loop::UniqueFd fd)
      : loop(event_loop), link(event_loop, std::move(fd)), host_changed(event_loop) {}

  loop::EventLoop& loop;
  loop::DatagramSocket link;
  loop::Event host_changed;
  std::optional<HostInfo> host;
  std::optional<Error> lost;
  bool finishing = false;
  std::uint64_t next_id = 1;
  std::map<std::uint64_t, std::unique_ptr<Task>> tasks;

  Task* find(std::uint64_t id) {
    auto found = tasks.find(id);
    return found == tasks.end() ? nullptr : found->second.get();
  }
  void lose(Error error) {
    if (!lost) lost = std::move(error);
    host_changed.notify();
    for (auto& [id, task] : tasks) task->changed.notify();
  }
  Result<void> take(const std::string& bytes);
  void take_task(const HostMessage& message);
};

Result<void> HostLauncher::State::take(const std::string& bytes) {
  HostMessage message = HR_TRY(parse_host_message(bytes));
  if (message.op == HostMessage::Op::ready) {
    host = message.host;
    host_changed.notify();
  } else {
    take_task(message);
  }
  return {};
}

void HostLauncher::State::take_task(const HostMessage& message) {
  Task* task = find(message.id);
  if (!task) return;
  switch (message.op) {
    case HostMessage::Op::started:
      task->pid = message.pid;
      task->fresh = message.fresh;
      task->reason = message.reason;
      break;
    case HostMessage::Op::start_failed: task->failure = message.failure; break;
    case HostMessage::Op::exited: task->exit = message.exit; break;
    case HostMessage::Op::ready: break;
  }
  task->changed.notify();
}

loop::Async<void> HostLauncher::receive(std::shared_ptr<State> state) {
  while (!state->lost) {
    auto datagram = co_await state->link.receive();
    if (!datagram) {
      // The kernel kills the tasks with their host; what they have started is in their groups and would live on.
      for (const auto& [id, task] : state->tasks) {
        if (task->pid > 0 && !task->exit) ::kill(-task->pid, SIGKILL);
      }
      // The pid is reaped a moment after its descriptors are closed.
      if (state->host && !state->finishing) co_await state->loop.sleep_for(20ms);
      state->lose(Error{.kind = Kind::failed,
                        .what = "the task host has ended, and with it every running task",
                        .why = host_end(state->host ? state->host->pid : 0),
                        .next = "if the kernel killed it, lower --max-workers or the memory that tasks use; then `resume`"});
      break;
    }
    auto taken = state->take(datagram->bytes);
    if (!taken) state->lose(std::move(taken).error());
  }
}

HostLauncher::HostLauncher(loop::EventLoop& loop, loop::UniqueFd link)
    : state_(std::make_shared<State>(loop, std::move(link))) {
  loop.spawn(receive(state_));
}

HostLauncher::~HostLauncher() { close(); }

void HostLauncher::close() {
  state_->finishing = true;
  state_->link.close();
}

loop::Async<Result<HostInfo>> HostLauncher::ready() {
  auto state = state_;
  while (!state->host && !state->lost) co_await state->host_changed.wait();
  if (!state->host) co_return *state->lost;
  co_return *state->host;
}

loop::Async<Result<Started>> HostLauncher::start(TaskStart task, std::optional<OutputEnds> output) {
  auto state = state_;
  if (state->lost) co_return *state->lost;
  auto ends = make_ends(output);
  if (!ends) co_return std::move(ends).error().at("starting " + task.label);
  std::uint64_t id = state->next_id++;
  state->tasks.emplace(id, std::make_unique<Task>(state->loop));

  std::vector<loop::UniqueFd> passed;
  passed.push_back(std::move(ends->door.second));
  passed.push_back(std::move(ends->out.second));
  passed.push_back(std::move(ends->err.second));
  auto sent = co_await state->link.send(start_message(id, task), std::move(passed));
  Task* entry = state->find(id);
  if (!sent) {
    state->tasks.erase(id);
    if (state->lost) co_return *state->lost;
    co_return std::move(sent).error().at("starting " + task.label);
  }
  while (entry->pid == 0 && !entry->failure && !state->lost) co_await entry->changed.wait();
  if (entry->pid == 0) {
    Error error = entry->failure ? *entry->failure : *state->lost;
    state->tasks.erase(id);
    co_return std::move(error).at("starting " + task.label);
  }
  Started started{.id = id, .pid = entry->pid, .fresh = entry->fresh, .reason = entry->reason};
  started.door = std::move(ends->door.first);
  started.out = std::move(ends->out.first);
  started.err = std::move(ends->err.first);
  co_return started;
}

loop::Async<Result<TaskExit>> HostLauncher::exited(std::uint64_t id) {
  auto state = state_;
  Task* task = state->find(id);
  HR_CHECK(task != nullptr);
  while (!task->exit && !state->lost) co_await task->changed.wait();
  std::optional<TaskExit> exit = task->exit;
  state->tasks.erase(id);
  if (!exit) co_return *state->lost;
  co_return *exit;
}

void HostLauncher::signal_group(std::uint64_t id, int number) {
  Task* task = state_->find(id);
  if (task && task->pid > 0 && !task->exit && !state_->lost) ::kill(-task->pid, number);
}

void HostLauncher::signal_all(int number) {
  for (auto& [id, task] : state_->tasks) signal_group(id, number);
}

void HostLauncher::signal_host(int number) {
  if (state_->host && !state_->lost) ::kill(state_->host->pid, number);
}

std::size_t HostLauncher::alive() const {
  std::size_t count = 0;
  for (const auto& [id, task] : state_->tasks) count += task->pid > 0 && !task->exit;
  return count;
}

loop::Async<Result<void>> HostLauncher::finish(std::string run, bool successful) {
  auto state = state_;
  if (state->lost) co_return *state->lost;
  state->finishing = true;
  auto sent = co_await state->link.send(finish_message(run, successful));
  if (!sent) co_return std::move(sent).error();
  while (!state->lost) co_await state->host_changed.wait();
  // Its descriptors close a moment before it can be reaped.
  int status = 0;
  while (state->host && ::waitpid(state->host->pid, &status, WNOHANG) == 0) co_await state->loop.sleep_for(1ms);
  co_return Result<void>{};
}

}  // namespace headrace::launch
