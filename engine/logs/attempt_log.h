#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"
#include "store/backend.h"

namespace headrace::logs {

enum class Stream { out, err };

[[nodiscard]] std::string_view name_of(Stream stream);  ///< `stdout`, `stderr`

/// `FOLDER/N.SOURCE_STREAM.log`: the key of a log, whose folder is that of the task.
[[nodiscard]] std::string log_path(const std::string& folder, int attempt, std::string_view source, Stream stream);

/// A line as a person sees it.
struct ShownLine {
  std::string_view text;  ///< points into the line given; its newline is gone, other white space is not
  WallTime time;          ///< when it was read, or its own stamp if the task framed it
};

/// Stores the lines of one attempt: framed, append-only, in `FOLDER/N.SOURCE_stdout.log` and `..._stderr.log`.
///
/// What was added is written by the worker pool, whole lines at a time: to a directory at the end of the loop's turn, so after
/// `kill -9` the files hold everything up to the last turns (at most their last line is cut); elsewhere every few seconds, and
/// at the end. If the folder does not exist yet, writing waits until it does (the store makes it in one move, which a folder
/// made here would spoil).
class AttemptLog {
 public:
  struct Settings {
    std::string folder;       ///< key of the task, FLOW/RUN/STEP/TASK
    int attempt = 0;
    std::uint64_t bytes_max;  ///< per stream, framing counted; notes are stored beyond it
    std::uint64_t id_seed;    ///< of the line ids (uuid4)
    std::string source = "runtime";  ///< `task` for lines that are stored where the task runs
  };

  /// `data` must outlive it, and the pool's work.
  AttemptLog(loop::EventLoop& loop, loop::WorkerPool& pool, store::Backend& data, Settings settings);
  /// Without `close`, what is not yet written is lost.
  ~AttemptLog();
  AttemptLog(const AttemptLog&) = delete;
  AttemptLog& operator=(const AttemptLog&) = delete;

  /// A line of the task, as LineSplitter gives it. A line that is framed already is not stored, unless marked for it.
  /// The first line that does not fit becomes `[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]`; what follows is only shown.
  ShownLine add_line(Stream stream, std::string_view line, WallTime now);
  /// A line of ours about the task (`Task failed.`), stored as given: end it with a newline if one belongs there.
  void add_note(Stream stream, std::string_view text, WallTime now);

  /// How many calls of `add_line`, from the first on, are settled: stored, or left out as said there.
  [[nodiscard]] std::uint64_t lines_stored() const;

  /// Writes the rest and makes sure that both files exist, of 0 bytes if nothing was printed. The first error of any
  /// write, if the files are not whole. Nothing may be added afterwards.
  [[nodiscard]] loop::Async<Result<void>> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::logs
