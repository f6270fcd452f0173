#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

/// The log of a pod, as the agent writes it to its stdout: one line each, `HR|<seq>|<o or e>|<time>|<text>`
/// (docs/formats/wire.md). Anything else in it is output of what runs before the agent, or instead of it.
namespace headrace::launch {

struct PodLine {
  std::optional<std::uint64_t> seq;  ///< nullopt for a line that the agent has not framed
  bool err = true;                   ///< unframed lines count as stderr
  std::optional<WallTime> when;
  std::string_view text;
};

/// `line` without its newline; the result points into it.
[[nodiscard]] PodLine parse_pod_line(std::string_view line);

/// Puts a log together from streams that break and are followed again from a time a little before: gives each line once.
///
/// Numbered lines are known by their number. Unframed ones have none, so they are counted from the last numbered line on, and that
/// many are left out when the log comes again.
class PodLog {
 public:
  /// Bytes of the current stream, cut anywhere. Lines in the result point into `storage`, which is valid until the next call.
  [[nodiscard]] std::vector<PodLine> add(std::string_view bytes);
  /// The stream has ended: what stands there without a newline is a line when the container is gone, else it comes again.
  [[nodiscard]] std::vector<PodLine> finish();
  /// The log comes again, from somewhere before the last line.
  void restart();

  /// Lines up to this number have been given; 0 when none has. Numbers start at 1.
  [[nodiscard]] std::uint64_t last_seq() const { return last_seq_; }
  /// When the newest numbered line was written: from where to follow again.
  [[nodiscard]] std::optional<WallTime> last_time() const { return last_time_; }

  /// A longer line is cut into pieces of this size.
  static constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;

 private:
  void take(std::string_view line, std::vector<PodLine>& out);

  std::string partial_;   ///< the start of a line whose end has not come
  std::string storage_;   ///< what the last result points into
  std::uint64_t last_seq_ = 0;
  std::optional<WallTime> last_time_;
  std::uint64_t unframed_ = 0;       ///< given since the last numbered line
  bool repeating_ = false;           ///< in lines that have been given
  std::uint64_t skip_unframed_ = 0;  ///< of the lines now coming
};

}  // namespace headrace::launch
