#include "sched/testing/flows.h"

#include <cstdio>
#include <utility>

#include "base/check.h"

namespace headrace::sched::testing {

flow::StepSpec linear(std::string name, std::string next) {
  return {.name = std::move(name), .kind = flow::StepKind::linear, .next = {std::move(next)}};
}
flow::StepSpec join(std::string name, std::string next) {
  return {.name = std::move(name), .kind = flow::StepKind::linear, .join = true, .next = {std::move(next)}};
}
flow::StepSpec split(std::string name, std::vector<std::string> next, std::string matching_join) {
  return {.name = std::move(name), .kind = flow::StepKind::split, .next = std::move(next), .matching_join = std::move(matching_join)};
}
flow::StepSpec foreach(std::string name, std::string next, std::string matching_join) {
  return {.name = std::move(name), .kind = flow::StepKind::foreach, .next = {std::move(next)}, .matching_join = std::move(matching_join)};
}
flow::StepSpec parallel(std::string name, std::string next, std::string matching_join) {
  return {.name = std::move(name), .kind = flow::StepKind::parallel, .next = {std::move(next)}, .matching_join = std::move(matching_join)};
}
flow::StepSpec switch_(std::string name, std::vector<std::string> next) {
  return {.name = std::move(name), .kind = flow::StepKind::switch_, .next = std::move(next)};
}
flow::StepSpec end(std::string name) { return {.name = std::move(name), .kind = flow::StepKind::end}; }
flow::StepSpec pod(flow::StepSpec step) {
  step.backend = flow::Backend::kubernetes;
  return step;
}

flow::Graph graph(std::vector<flow::StepSpec> steps) {
  auto made = flow::Graph::make(std::move(steps), "start", "end");
  if (!made) std::fprintf(stderr, "%s\n", to_text(made.error()).c_str());
  HR_CHECK(made.ok());
  return std::move(*made);
}

flow::Graph foreach_flow() { return graph({foreach("start", "work", "gather"), linear("work", "gather"), join("gather", "end"), end()}); }

}  // namespace headrace::sched::testing
