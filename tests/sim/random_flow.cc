#include "sim/random_flow.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace headrace::sim {
namespace {

using flow::StepKind;
using flow::StepSpec;

/// Builds from the end to the start: each element knows the step that comes after it.
class Builder {
 public:
  explicit Builder(Random& random) : random_(random) {}

  std::vector<StepSpec> build() {
    steps_.push_back({.name = "end", .kind = StepKind::end});
    const std::string first = sequence(0, 1 + random_.below(4), "end");
    steps_.push_back(settings({.name = "start", .kind = StepKind::linear, .next = {first}}));
    std::reverse(steps_.begin(), steps_.end());
    return std::move(steps_);
  }

 private:
  static constexpr int kDepthMax = 3;

  std::string fresh_name(const char* prefix) { return prefix + std::to_string(++names_); }

  StepSpec settings(StepSpec step) {
    if (random_.chance(25)) step.user_retries = static_cast<int>(random_.below(4));
    if (random_.chance(10)) step.fallback_retries = 1;
    if (random_.chance(20)) {
      step.backend = flow::Backend::kubernetes;
      step.retry_wait_s = static_cast<int>(random_.below(200));
    }
    if (random_.chance(20)) step.timeout_s = 1.0 + static_cast<double>(random_.below(60));
    return step;
  }

  std::string add(StepSpec step) {
    steps_.push_back(settings(std::move(step)));
    return steps_.back().name;
  }

  /// `length` elements one after another; gives the first step's name.
  std::string sequence(int depth, std::uint64_t length, std::string after) {
    bool last = true;
    for (std::uint64_t i = 0; i < length; ++i) {
      after = element(depth, after, !std::exchange(last, false));
    }
    return after;
  }

  /// `within`: the step after it belongs to the same sequence, so nothing else leads there.
  std::string element(int depth, const std::string& after, bool within) {
    const std::uint64_t dice = depth >= kDepthMax ? random_.below(50) : random_.below(100);
    if (dice < 35) return add({.name = fresh_name("linear"), .kind = StepKind::linear, .next = {after}});
    if (dice < 45) return choice(depth, after);
    if (dice < 50) return loop(after);
    if (dice < 70) return branches(depth, after, within);
    if (dice < 92) return foreach(depth, after, within);
    return parallel(after, within);
  }

  /// The step that closes a split and goes on to `after`; sometimes `after` itself, if it can be the join.
  std::string join(const std::string& after, bool within) {
    const auto next = std::find_if(steps_.begin(), steps_.end(), [&](const StepSpec& step) { return step.name == after; });
    HR_CHECK(next != steps_.end());
    const bool loops = std::count(next->next.begin(), next->next.end(), after) > 0;
    if (within && !next->join && next->kind != StepKind::end && !loops && random_.chance(30)) {
      next->join = true;
      return after;
    }
    return add({.name = fresh_name("join"), .kind = StepKind::linear, .join = true, .next = {after}});
  }

  std::string branches(int depth, const std::string& after, bool within) {
    const std::string close = join(after, within);
    std::vector<std::string> next;
    const std::uint64_t width = 2 + random_.below(3);
    for (std::uint64_t i = 0; i < width; ++i) {
      // One of them may lead to the join directly.
      const bool empty = i == 0 && random_.chance(10);
      next.push_back(empty ? close : sequence(depth + 1, 1 + random_.below(2), close));
    }
    return add({.name = fresh_name("split"), .kind = StepKind::split, .next = std::move(next), .matching_join = close});
  }

  std::string foreach(int depth, const std::string& after, bool within) {
    const std::string close = join(after, within);
    const std::string body = sequence(depth + 1, 1 + random_.below(2), close);
    return add({.name = fresh_name("foreach"), .kind = StepKind::foreach, .next = {body}, .foreach_var = "items", .matching_join = close});
  }

  std::string parallel(const std::string& after, bool within) {
    const std::string close = join(after, within);
    const std::string body = add({.name = fresh_name("train"), .kind = StepKind::linear, .next = {close}});
    return add({.name = fresh_name("parallel"), .kind = StepKind::parallel, .next = {body}, .matching_join = close});
  }

  std::string choice(int depth, const std::string& after) {
    std::vector<std::string> next;
    const std::uint64_t width = 2 + random_.below(2);
    for (std::uint64_t i = 0; i < width; ++i) next.push_back(sequence(depth + 1, 1, after));
    return add({.name = fresh_name("switch"), .kind = StepKind::switch_, .next = std::move(next)});
  }

  std::string loop(const std::string& after) {
    const std::string name = fresh_name("loop");
    return add({.name = name, .kind = StepKind::switch_, .next = {name, after}});
  }

  Random& random_;
  std::vector<StepSpec> steps_;
  int names_ = 0;
};

}  // namespace

flow::Graph random_flow(Random& random) {
  auto graph = flow::Graph::make(Builder(random).build(), "start", "end");
  if (!graph) check_failed(to_text(graph.error()), __FILE__, __LINE__);
  return std::move(*graph);
}

}  // namespace headrace::sim
