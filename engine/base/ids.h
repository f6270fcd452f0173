#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace headrace {

/// A name of one kind, never a bare string: RunId and StepName do not mix.
template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}

  [[nodiscard]] const std::string& str() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

using FlowName = Id<struct FlowNameTag>;
using RunId = Id<struct RunIdTag>;
using StepName = Id<struct StepNameTag>;
/// Unique in a run: "3", or "3_node_1" for a worker of a @parallel step.
using TaskId = Id<struct TaskIdTag>;
/// 40 hex digits: SHA-1 of the uncompressed bytes (of the stored bytes for raw blobs).
using BlobKey = Id<struct BlobKeyTag>;

/// One task of one run. `str()` is `run/step/task`, as users and Metaflow write it.
struct TaskPath {
  RunId run;
  StepName step;
  TaskId task;

  [[nodiscard]] std::string str() const { return run.str() + "/" + step.str() + "/" + task.str(); }
  auto operator<=>(const TaskPath&) const = default;
};

/// The task that `text` names as `run/step/task`; nullopt if it names none.
inline std::optional<TaskPath> parse_task_path(std::string_view text) {
  const std::size_t first = text.find('/');
  const std::size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second == std::string_view::npos || text.find('/', second + 1) != std::string_view::npos) return std::nullopt;
  TaskPath path{.run = RunId(std::string(text.substr(0, first))),
                .step = StepName(std::string(text.substr(first + 1, second - first - 1))),
                .task = TaskId(std::string(text.substr(second + 1)))};
  if (path.run.empty() || path.step.empty() || path.task.empty()) return std::nullopt;
  return path;
}

/// One execution of a task; attempts count from 0 to 5.
struct AttemptPath {
  TaskPath task;
  int attempt = 0;

  auto operator<=>(const AttemptPath&) const = default;
};

/// Metaflow's readers probe 0..5.
inline constexpr int kAttemptsMax = 6;

}  // namespace headrace

template <class Tag>
struct std::hash<headrace::Id<Tag>> {
  std::size_t operator()(const headrace::Id<Tag>& id) const { return std::hash<std::string>{}(id.str()); }
};
