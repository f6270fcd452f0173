#include "flow/graph.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace headrace::flow {
namespace {

constexpr std::array<std::string_view, 6> kKindNames = {"linear", "split", "foreach", "parallel", "switch", "end"};
constexpr std::array<std::string_view, 2> kBackendNames = {"local", "kubernetes"};

template <class Enum, std::size_t n>
std::optional<Enum> from_name(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

Error refuse(std::string what, std::string why = {}) {
  return Error{.kind = Kind::misuse,
               .what = std::move(what),
               .where = "the flow's graph",
               .why = std::move(why),
               .next = "check what the step passes to self.next"};
}

}  // namespace

std::string_view to_string(StepKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }
std::optional<StepKind> step_kind_from(std::string_view name) { return from_name<StepKind>(kKindNames, name); }
std::string_view to_string(Backend backend) { return kBackendNames[static_cast<std::size_t>(backend)]; }
std::optional<Backend> backend_from(std::string_view name) { return from_name<Backend>(kBackendNames, name); }

std::optional<StepIndex> Graph::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

Result<Graph> Graph::make(std::vector<StepSpec> steps, std::string_view start, std::string_view end) {
  Graph graph;
  for (const StepSpec& spec : steps) {
    if (spec.name.empty()) return refuse("a step of the flow has no name");
    if (!graph.by_name_.emplace(spec.name, static_cast<StepIndex>(graph.by_name_.size())).second) {
      return refuse(fmt::format("the flow has two steps named `{}`", spec.name));
    }
  }
  HR_TRY(graph.link(std::move(steps)));
  const auto first = graph.find(start);
  const auto last = graph.find(end);
  if (!first) return refuse(fmt::format("the flow starts at `{}`, which is not one of its steps", start));
  if (!last) return refuse(fmt::format("the flow ends at `{}`, which is not one of its steps", end));
  graph.start_ = *first;
  graph.end_ = *last;
  HR_TRY(graph.check_targets());
  HR_TRY(graph.check_cycles());
  HR_TRY(graph.check_nesting());
  return graph;
}

/// Names become positions.
Result<void> Graph::link(std::vector<StepSpec> specs) {
  steps_.reserve(specs.size());
  for (StepSpec& spec : specs) {
    const auto index_of = [&](const std::string& target, std::string_view as) -> Result<StepIndex> {
      if (const auto found = find(target)) return *found;
      return refuse(fmt::format("step `{}` names `{}` as {}", spec.name, target, as), "the flow has no step of that name");
    };
    Step step;
    for (const std::string& target : spec.next) step.next.push_back(HR_TRY(index_of(target, "its next step")));
    for (const std::string& parent : spec.split_parents) {
      step.split_parents.push_back(HR_TRY(index_of(parent, "a split around it")));
    }
    if (spec.matching_join) step.matching_join = HR_TRY(index_of(*spec.matching_join, "its join"));
    if (spec.user_retries < 0 || spec.fallback_retries < 0 || spec.user_retries >= kAttemptsMax ||
        spec.fallback_retries >= kAttemptsMax || 1 + spec.user_retries + spec.fallback_retries > kAttemptsMax) {
      return refuse(fmt::format("step `{}` asks for {} retries and {} fallbacks", spec.name, spec.user_retries,
                                spec.fallback_retries),
                    fmt::format("a task has at most {} attempts", kAttemptsMax));
    }
    if (spec.timeout_s && !(*spec.timeout_s > 0)) {
      return refuse(fmt::format("step `{}` has a timeout of {} seconds", spec.name, *spec.timeout_s));
    }
    step.kind = spec.kind;
    step.join = spec.join;
    step.foreach_var = std::move(spec.foreach_var);
    step.user_retries = spec.user_retries;
    step.fallback_retries = spec.fallback_retries;
    step.timeout_s = spec.timeout_s;
    step.fresh = spec.fresh;
    step.environment = std::move(spec.environment);
    step.resources = spec.resources;
    step.backend = spec.backend;
    step.retry_wait_s = spec.retry_wait_s;
    const StepIndex self = static_cast<StepIndex>(steps_.size());
    step.recursive_ = spec.kind == StepKind::switch_ && std::count(step.next.begin(), step.next.end(), self) > 0;
    step.name = StepName(std::move(spec.name));
    steps_.push_back(std::move(step));
  }
  return {};
}

/// Each kind of step has the number of targets it needs, and the end is the only one with none.
Result<void> Graph::check_targets() const {
  for (StepIndex i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const std::size_t count = step.next.size();
    const auto wrong = [&](std::string_view wanted) {
      return refuse(fmt::format("step `{}` is a {} and has {} next steps", name(i), to_string(step.kind), count),
                    fmt::format("it needs {}", wanted));
    };
    switch (step.kind) {
      case StepKind::end:
        if (count != 0) return wrong("none");
        if (i != end_) return refuse(fmt::format("step `{}` ends the flow, as does `{}`", name(i), name(end_)));
        break;
      case StepKind::split:
      case StepKind::switch_:
        if (count < 2) return wrong("two or more");
        break;
      default:
        if (count != 1) return wrong("exactly one");
    }
    std::vector<StepIndex> targets = step.next;
    std::sort(targets.begin(), targets.end());
    // Several cases of a switch may lead to one step; branches of a split may not.
    if (step.kind == StepKind::split && std::adjacent_find(targets.begin(), targets.end()) != targets.end()) {
      return refuse(fmt::format("step `{}` splits to one step twice", name(i)));
    }
    if (step.opens()) {
      if (!step.matching_join) return refuse(fmt::format("step `{}` splits, and no join closes it", name(i)));
      if (step.kind != StepKind::split && steps_[step.next[0]].join) {
        return refuse(fmt::format("step `{}` leads its {} to the join `{}`", name(i), to_string(step.kind), name(step.next[0])),
                      "a step must be between them");
      }
      if (!steps_[*step.matching_join].join) {
        return refuse(fmt::format("step `{}` is to close `{}` and is not a join", name(*step.matching_join), name(i)));
      }
    }
  }
  if (steps_[end_].kind != StepKind::end) {
    return refuse(fmt::format("the flow ends at `{}`, which goes on to another step", name(end_)));
  }
  return {};
}

/// A walk in depth, without recursion: a flow may be a chain of any length.
Result<void> Graph::check_cycles() const {
  enum class Mark : char { unseen, open, done };
  std::vector<Mark> marks(steps_.size(), Mark::unseen);
  std::vector<std::pair<StepIndex, std::size_t>> path{{start_, 0}};
  marks[start_] = Mark::open;
  while (!path.empty()) {
    auto& [at, position] = path.back();
    if (position == steps_[at].next.size()) {
      marks[at] = Mark::done;
      path.pop_back();
      continue;
    }
    const StepIndex target = steps_[at].next[position++];
    if (target == at && steps_[at].recursive()) continue;
    if (marks[target] == Mark::open) {
      return refuse(fmt::format("step `{}` leads back to `{}`", name(at), name(target)),
                    "only a switch may be repeated, by naming itself");
    }
    if (marks[target] == Mark::unseen) {
      marks[target] = Mark::open;
      path.emplace_back(target, 0);
    }
  }
  for (StepIndex i = 0; i < steps_.size(); ++i) {
    if (marks[i] == Mark::unseen) return refuse(fmt::format("no step leads to step `{}`", name(i)));
  }
  return {};
}

/// Every way to a step passes the same open splits, and a join closes the innermost one: what the scheduler relies on.
Result<void> Graph::check_nesting() const {
  using Open = std::vector<StepIndex>;
  std::vector<std::optional<Open>> open_at(steps_.size());
  std::vector<StepIndex> todo{start_};
  open_at[start_] = Open{};
  while (!todo.empty()) {
    const StepIndex at = todo.back();
    todo.pop_back();
    const Step& step = steps_[at];
    Open open = *open_at[at];
    if (step.join) {
      if (open.empty() || steps_[open.back()].matching_join != at) {
        return refuse(fmt::format("step `{}` joins what no split has opened", name(at)));
      }
      open.pop_back();
    }
    if (step.kind == StepKind::end && !open.empty()) {
      return refuse(fmt::format("the split in step `{}` is not joined before the end", name(open.back())));
    }
    if (step.opens()) open.push_back(at);
    for (const StepIndex target : step.next) {
      if (target == at) {
        if (open != *open_at[at]) return refuse(fmt::format("step `{}` repeats itself across a split", name(at)));
      } else if (!open_at[target]) {
        open_at[target] = open;
        todo.push_back(target);
      } else if (*open_at[target] != open) {
        return refuse(fmt::format("step `{}` is reached from inside of a split and from outside of it", name(target)));
      }
    }
  }
  return {};
}

}  // namespace headrace::flow
