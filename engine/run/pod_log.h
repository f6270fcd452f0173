#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "launch/pod_launcher.h"
#include "store/backend.h"

namespace headrace::run {

/// Lines of an attempt read once more from its pod's log: its agent was killed before it had stored them.
///
/// Bounded: what comes after kBytesMax bytes is dropped.
class PodLog final : public launch::PodListener {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{32} << 20;

  void note(std::string) override {}
  void placed(std::string) override {}
  void output(bool err, WallTime when, std::optional<std::uint64_t> seq, std::string_view line) override;

  [[nodiscard]] bool empty() const { return lines_[0].empty() && lines_[1].empty(); }

  /// Adds to the attempt's `N.task_<stream>.log` the lines that come after its last one; a stored log grows no further than
  /// `stored_bytes_max`. Blocks. `id_seed`: of the line ids.
  Result<void> store(store::Backend& data, const std::string& task_key, int attempt, std::uint64_t stored_bytes_max,
                     std::uint64_t id_seed) const;

 private:
  struct Line {
    WallTime when;
    std::string text;
  };
  std::array<std::vector<Line>, 2> lines_;
  std::size_t bytes_ = 0;
};

}  // namespace headrace::run
