#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "attempt/session.h"
#include "launch/host_launcher.h"
#include "logs/attempt_log.h"
#include "logs/line_splitter.h"
#include "loop/pipe_reader.h"
#include "loop/task_group.h"
#include "sched/command.h"

namespace headrace::run {

class PodAttempt;
class WorkerTeam;

using logs::Stream;

[[nodiscard]] inline std::size_t slot(Stream stream) { return stream == Stream::out ? 0 : 1; }

/// One attempt from its StartAttempt to the end of its records.
struct LiveAttempt {
  explicit LiveAttempt(loop::EventLoop& loop);
  ~LiveAttempt();
  LiveAttempt(const LiveAttempt&) = delete;
  LiveAttempt& operator=(const LiveAttempt&) = delete;

  sched::TaskNumber task = 0;
  int attempt = 0;
  sched::AttemptKind kind = sched::AttemptKind::normal;
  flow::StepIndex step = 0;
  AttemptPath path;
  std::string label;  ///< run/step/task

  std::unique_ptr<PodAttempt> pod;            ///< in the place of `session`, for an attempt that runs in one
  std::unique_ptr<attempt::Session> session;
  std::unique_ptr<logs::AttemptLog> log;
  std::unique_ptr<WorkerTeam> team;  ///< of a control task

  std::uint64_t launch_id = 0;       ///< 0 until its process exists
  std::optional<pid_t> pid;
  std::optional<int> signal_early;   ///< wanted before the process existed
  bool killed = false;               ///< SIGKILL was sent by us
  std::optional<launch::TaskExit> exit;

  std::array<std::unique_ptr<loop::PipeReader>, 2> pipes;
  std::array<logs::LineSplitter, 2> splitters;
  int pipes_open = 0;
  loop::TaskGroup serving;
  loop::TaskGroup reading;
  loop::Event output_ended;
};

}  // namespace headrace::run
