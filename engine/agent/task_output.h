#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "console/output.h"
#include "logs/attempt_log.h"
#include "logs/line_splitter.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/pipe_reader.h"
#include "loop/task_group.h"
#include "loop/timer.h"

namespace headrace::agent {

/// `HR|<number>|o or e|<time>|text`: a line of a pod's log (docs/formats/wire.md, section 8). `text` without its newline.
void append_pod_line(std::string& out, std::uint64_t number, logs::Stream stream, WallTime time, std::string_view text);

/// What the task prints: numbered and framed on the agent's stdout, where the run follows it, and in the datastore.
///
/// When nobody takes the agent's stdout, the task's pipes are not read on, as if it wrote there itself.
class TaskOutput {
 public:
  /// A longer line is cut: what follows the log takes no longer ones.
  static constexpr std::size_t kLineBytesMax = 512 << 10;

  /// All must outlive it.
  TaskOutput(loop::EventLoop& loop, console::Output& out, logs::AttemptLog& log);

  /// Reads two pipes until their ends, or until `finish`.
  void follow(loop::UniqueFd out, loop::UniqueFd err);
  /// After the task's end: takes what is left. A process that it has left behind may hold the pipes: that is waited for briefly.
  [[nodiscard]] loop::Async<void> finish();
  /// A line of the agent, on the task's stderr.
  void say(std::string_view text);
  /// Waits until stdout has taken everything, at most so long.
  [[nodiscard]] loop::Async<void> flush(Duration limit);

 private:
  [[nodiscard]] loop::Async<void> pump(logs::Stream stream);
  void take(logs::Stream stream, std::string_view bytes);
  void take_line(logs::Stream stream, std::string_view line);
  void flush_now();

  loop::EventLoop& loop_;
  console::Output& out_;
  logs::AttemptLog& log_;
  std::array<std::unique_ptr<loop::PipeReader>, 2> pipes_;
  std::array<logs::LineSplitter, 2> splitters_;
  int open_ = 0;
  std::uint64_t number_ = 0;  ///< of the last line
  std::string line_;
  loop::TaskGroup reading_;
  loop::Event ended_;
  loop::Event flushed_;
  loop::Timer flush_timer_;
};

}  // namespace headrace::agent
