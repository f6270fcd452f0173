#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace headrace::flow {

/// Position of a step in `Graph::steps()`.
using StepIndex = std::uint32_t;

enum class StepKind {
  linear,    ///< one step follows
  split,     ///< all of several steps follow (static branches)
  foreach,   ///< one step follows, once for each item
  parallel,  ///< one step follows, on `num_parallel` nodes
  switch_,   ///< one of several steps follows; may be the step itself (recursion)
  end,       ///< nothing follows
};

[[nodiscard]] std::string_view to_string(StepKind kind);
[[nodiscard]] std::optional<StepKind> step_kind_from(std::string_view name);

enum class Backend { local, kubernetes };

[[nodiscard]] std::string_view to_string(Backend backend);
[[nodiscard]] std::optional<Backend> backend_from(std::string_view name);

/// What @resources asked for; only serves advice after a failure.
struct Resources {
  double cpu = 1;
  std::int64_t memory_mb = 4096;  ///< of 10^6 bytes
  bool operator==(const Resources&) const = default;
};

/// A step as the user wrote it: other steps by name. Field for field STEP of docs/formats/wire.md, section 6.
struct StepSpec {
  std::string name;
  StepKind kind = StepKind::linear;
  bool join = false;
  std::vector<std::string> next;
  std::optional<std::string> foreach_var;
  std::optional<std::string> matching_join;
  std::vector<std::string> split_parents;
  int user_retries = 0;
  int fallback_retries = 0;
  std::optional<double> timeout_s;
  bool fresh = false;
  std::map<std::string, std::string> environment;
  std::optional<Resources> resources;
  Backend backend = Backend::local;
  int retry_wait_s = 0;
};

/// A step of a valid graph: other steps by position.
struct Step {
  StepName name;
  StepKind kind = StepKind::linear;
  bool join = false;
  std::vector<StepIndex> next;
  std::optional<std::string> foreach_var;
  /// The join that closes what this step opens; of `split`, `foreach` and `parallel` only.
  std::optional<StepIndex> matching_join;
  /// Enclosing splits, outermost first; of a join, the last one is the split that it closes.
  std::vector<StepIndex> split_parents;
  int user_retries = 0;
  int fallback_retries = 0;
  std::optional<double> timeout_s;
  bool fresh = false;  ///< always in an interpreter of its own
  std::map<std::string, std::string> environment;
  std::optional<Resources> resources;
  Backend backend = Backend::local;  ///< of its attempts but the fallbacks, which are always local
  int retry_wait_s = 0;              ///< seconds before an attempt on Kubernetes that is not the first

  [[nodiscard]] int attempts() const { return 1 + user_retries + fallback_retries; }
  /// True for a switch that may choose itself.
  [[nodiscard]] bool recursive() const { return recursive_; }
  /// True if this step starts something that a join must close.
  [[nodiscard]] bool opens() const {
    return kind == StepKind::split || kind == StepKind::foreach || kind == StepKind::parallel;
  }

 private:
  friend class Graph;
  bool recursive_ = false;
};

/// The steps of a flow and how they follow each other. Immutable; what `make` accepts is safe to execute.
class Graph {
 public:
  /// Refuses (misuse) what could not be executed: unknown or doubled names, wrong numbers of targets, cycles other than a
  /// switch naming itself, splits without their join, steps nothing leads to, more than six attempts.
  [[nodiscard]] static Result<Graph> make(std::vector<StepSpec> steps, std::string_view start, std::string_view end);

  [[nodiscard]] std::span<const Step> steps() const { return steps_; }
  [[nodiscard]] const Step& step(StepIndex index) const { return steps_[index]; }
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  [[nodiscard]] StepIndex start() const { return start_; }
  [[nodiscard]] StepIndex end() const { return end_; }
  [[nodiscard]] std::optional<StepIndex> find(std::string_view name) const;
  [[nodiscard]] const std::string& name(StepIndex index) const { return steps_[index].name.str(); }

 private:
  Graph() = default;
  Result<void> link(std::vector<StepSpec> specs);
  Result<void> check_targets() const;
  Result<void> check_cycles() const;
  Result<void> check_nesting() const;

  std::vector<Step> steps_;
  std::unordered_map<std::string, StepIndex> by_name_;
  StepIndex start_ = 0;
  StepIndex end_ = 0;
};

}  // namespace headrace::flow
