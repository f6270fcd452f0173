#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attempt/session.h"
#include "base/result.h"
#include "launch/host_launcher.h"
#include "loop/event.h"
#include "loop/task_group.h"
#include "loop/unique_fd.h"

namespace headrace::run {

class Driver;
struct LiveAttempt;

/// The workers of one control task of a @parallel step (`<control>_node_<i>`). They write into the control task's pipes and
/// have records of their own, but no log and no `N.runtime`. Owned by the control task's LiveAttempt.
class WorkerTeam final : public attempt::Workers {
 public:
  WorkerTeam(Driver& driver, LiveAttempt& control, attempt::Assignment control_assignment);
  ~WorkerTeam() override;

  /// Makes the pipes that control task and workers share; our write ends are held until `end`.
  [[nodiscard]] Result<launch::OutputEnds> make_output();
  void take_read_ends(loop::UniqueFd& out, loop::UniqueFd& err);

  loop::Async<Result<std::vector<TaskPath>>> start(std::int64_t count) override;
  loop::Async<std::vector<TaskPath>> wait() override;

  void signal(int number);
  /// The control task has ended: kills what still runs, waits for it, and lets go of the pipes.
  [[nodiscard]] loop::Async<void> end();

 private:
  struct Worker {
    attempt::Assignment assignment;
    std::unique_ptr<attempt::Session> session;
    std::uint64_t launch_id = 0;
    bool ended = false;
    bool failed = false;
  };
  [[nodiscard]] loop::Async<void> run_worker(Worker* worker);

  Driver& driver_;
  LiveAttempt& control_;
  attempt::Assignment base_;
  loop::FdPair out_;
  loop::FdPair err_;
  std::vector<std::unique_ptr<Worker>> workers_;
  loop::TaskGroup running_;
  loop::Event changed_;
  bool ending_ = false;
};

}  // namespace headrace::run
