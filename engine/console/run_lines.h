#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/timestamp.h"
#include "console/output.h"

namespace headrace::console {

/// The lines of a run on stdout, byte for byte Metaflow's:
/// `YYYY-MM-DD HH:MM:SS.mmm [RUN/STEP/TASK (pid N)] TEXT`, coloured on a terminal.
class RunLines {
 public:
  /// What is kept back during `hold` at most; beyond it, lines go out at once.
  static constexpr std::size_t kHeldBytesMax = std::size_t{4} << 20;

  /// `out` must outlive this.
  explicit RunLines(Output& out, codec::UtcOffset offset = codec::local_utc_offset);

  /// Of the scheduler, about the run.
  void run_line(WallTime time, std::string_view text, bool bad = false);
  /// Of the scheduler, about one task. `path` is `RUN/STEP/TASK`.
  void task_note(WallTime time, std::string_view path, std::optional<pid_t> pid, std::string_view text);
  /// Of the task: any bytes, with or without the newline; white space around it is removed.
  void task_line(WallTime time, std::string_view path, std::optional<pid_t> pid, std::string_view bytes);

  struct RunLine {
    std::string text;
    bool bad = false;
  };
  /// Keeps back all lines until `release`.
  void hold();
  /// Writes `first`, then what was kept back.
  void release(WallTime time, const std::vector<RunLine>& first);

  bool flush() { return out_.flush(); }
  [[nodiscard]] Output& output() { return out_; }

 private:
  void emit(WallTime time, std::string_view head, std::string_view body, bool note, bool bad);

  Output& out_;
  codec::UtcOffset offset_;
  bool held_ = false;
  std::string held_lines_;
  std::string line_;          ///< reused
  WallTime second_{};         ///< `second_text_` is of this second
  std::string second_text_;
};

/// Text as Python's `bytes.strip().decode("utf-8", "replace")` gives it.
[[nodiscard]] std::string task_text(std::string_view bytes);

}  // namespace headrace::console
