#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/async.h"
#include "loop/datagram_socket.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/unique_fd.h"

namespace headrace::launch {

/// What the task host says of itself once, when the user's module is imported.
struct HostInfo {
  pid_t pid = 0;
  bool fork_safe = true;
  std::string reason;  ///< why forking is not safe
};

struct TaskStart {
  std::string step;
  std::string label;  ///< run/step/task
  int attempt = 0;
  bool fresh = false;  ///< a new interpreter, whatever the host thinks
  std::map<std::string, std::string> environment;
};

/// A task's output, where another task shall write too (workers of a @parallel step).
struct OutputEnds {
  int out = -1;
  int err = -1;
};

/// A process that runs one attempt. The descriptors are ours: our end of its door and the read ends of its output.
struct Started {
  std::uint64_t id = 0;
  pid_t pid = 0;
  bool fresh = false;
  std::string reason;  ///< why a fresh interpreter
  loop::UniqueFd door;
  loop::UniqueFd out;  ///< not set when the output was given by OutputEnds
  loop::UniqueFd err;
};

struct TaskExit {
  int status = 0;  ///< as of waitpid
  std::int64_t user_ms = 0;
  std::int64_t system_ms = 0;
  std::int64_t peak_kb = 0;
};

/// Starts, signals and follows local tasks through the task host (docs/formats/wire.md, section 3).
///
/// When the host dies, every task is lost (the kernel kills them with it): all waits end with the error that `lost` gives.
/// Must outlive the coroutines that wait in it; `close` ends them.
class HostLauncher {
 public:
  HostLauncher(loop::EventLoop& loop, loop::UniqueFd link);
  ~HostLauncher();
  HostLauncher(const HostLauncher&) = delete;
  HostLauncher& operator=(const HostLauncher&) = delete;

  /// Waits for the host's first message. Error `misuse` when its wire version is another one.
  [[nodiscard]] loop::Async<Result<HostInfo>> ready();

  /// Starts an attempt; answered when its process exists. `output` makes it write there instead of into new pipes.
  [[nodiscard]] loop::Async<Result<Started>> start(TaskStart task, std::optional<OutputEnds> output = {});
  /// Waits for the end of a started attempt; once for each.
  [[nodiscard]] loop::Async<Result<TaskExit>> exited(std::uint64_t id);

  /// Signals the attempt's process group. Does nothing after its exit report: the number may belong to somebody else then.
  void signal_group(std::uint64_t id, int number);
  /// Signals every process group that has not ended.
  void signal_all(int number);
  /// Signals the host alone (SIGSTOP, SIGCONT).
  void signal_host(int number);
  [[nodiscard]] std::size_t alive() const;

  /// Asks the host to run what belongs to the end of a run and to exit; waits for that.
  [[nodiscard]] loop::Async<Result<void>> finish(std::string run, bool successful);
  /// Ends all waits with an error, and with the link the host and its tasks.
  void close();

 private:
  struct State;
  static loop::Async<void> receive(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace headrace::launch
