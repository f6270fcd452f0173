#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "flow/graph.h"

namespace headrace::run {

/// What is known of how one attempt failed.
struct FailureFact {
  std::string step;
  std::string label;                         ///< run/step/task
  int signal = 0;                            ///< that ended it; 0 if it exited
  int exit_code = 0;
  bool killed_by_us = false;
  bool oom = false;                          ///< the kernel's out-of-memory killer was at work then
  bool unfinished = false;                   ///< exit code 0 without a commit
  std::int64_t peak_kb = 0;
  std::optional<flow::Resources> resources;  ///< @resources of the step
  std::optional<Error> trouble;              ///< of the datastore
  std::optional<Error> not_started;
  std::optional<Error> pod_cause;            ///< why a pod failed, or never came to be
};

/// The last failed attempts of a run, for the advice at its end. Bounded.
class FailureFacts {
 public:
  static constexpr std::size_t kKeptMax = 64;

  void add(std::uint32_t task, FailureFact fact);
  /// The newest of that task; nullptr if it is not kept.
  [[nodiscard]] const FailureFact* find(std::uint32_t task) const;

 private:
  std::map<std::uint32_t, FailureFact> facts_;
  std::vector<std::uint32_t> order_;
};

/// One line that names the cause and what to do, where both are known; empty otherwise.
[[nodiscard]] std::string advice_for(const FailureFact& fact, std::uint64_t memory_bytes);

}  // namespace headrace::run
