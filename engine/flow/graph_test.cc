#include "flow/graph.h"

#include <gtest/gtest.h>

namespace headrace::flow {
namespace {

StepSpec linear(std::string name, std::string next) {
  return {.name = std::move(name), .kind = StepKind::linear, .next = {std::move(next)}};
}
StepSpec end() { return {.name = "end", .kind = StepKind::end}; }

std::string refusal(std::vector<StepSpec> steps) {
  const auto graph = Graph::make(std::move(steps), "start", "end");
  if (graph) return "accepted";
  EXPECT_EQ(graph.error().kind, Kind::misuse);
  return graph.error().what;
}

TEST(Graph, LinksStepsByPosition) {
  const auto graph = Graph::make({linear("start", "end"), end()}, "start", "end");
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->size(), 2u);
  EXPECT_EQ(graph->start(), 0u);
  EXPECT_EQ(graph->step(0).next, std::vector<StepIndex>{1});
  EXPECT_EQ(graph->find("end"), StepIndex{1});
  EXPECT_EQ(graph->find("other"), std::nullopt);
}

TEST(Graph, TakesOneStepThatIsStartAndEnd) {
  EXPECT_TRUE(Graph::make({{.name = "only", .kind = StepKind::end}}, "only", "only").ok());
}

TEST(Graph, RefusesNames) {
  EXPECT_EQ(refusal({linear("start", "nowhere"), end()}), "step `start` names `nowhere` as its next step");
  EXPECT_EQ(refusal({linear("start", "end"), linear("start", "end"), end()}), "the flow has two steps named `start`");
  EXPECT_EQ(refusal({linear("begin", "end"), end()}), "the flow starts at `start`, which is not one of its steps");
  EXPECT_EQ(refusal({linear("start", "end"), linear("lost", "end"), end()}), "no step leads to step `lost`");
}

TEST(Graph, RefusesWrongNumbersOfTargets) {
  EXPECT_EQ(refusal({{.name = "start", .kind = StepKind::linear, .next = {}}, end()}),
            "step `start` is a linear and has 0 next steps");
  EXPECT_EQ(refusal({{.name = "start", .kind = StepKind::switch_, .next = {"end"}}, end()}),
            "step `start` is a switch and has 1 next steps");
}

TEST(Graph, AllowsOnlyASwitchToNameItself) {
  EXPECT_EQ(refusal({linear("start", "a"), {.name = "a", .kind = StepKind::switch_, .next = {"a", "end"}}, end()}), "accepted");
  EXPECT_EQ(refusal({linear("start", "a"), {.name = "a", .kind = StepKind::switch_, .next = {"b", "end"}}, linear("b", "a"), end()}),
            "step `b` leads back to `a`");
}

TEST(Graph, RefusesSplitsWithoutTheirJoin) {
  EXPECT_EQ(refusal({{.name = "start", .kind = StepKind::split, .next = {"a", "b"}}, linear("a", "end"), linear("b", "end"), end()}),
            "step `start` splits, and no join closes it");
  EXPECT_EQ(refusal({{.name = "start", .kind = StepKind::split, .next = {"a", "b"}, .matching_join = "j"},
                     linear("a", "j"), linear("b", "end"), {.name = "j", .join = true, .next = {"end"}}, end()}),
            "the split in step `start` is not joined before the end");
  EXPECT_EQ(refusal({linear("start", "j"), {.name = "j", .join = true, .next = {"end"}}, end()}),
            "step `j` joins what no split has opened");
}

TEST(Graph, BoundsAttempts) {
  EXPECT_EQ(refusal({{.name = "start", .next = {"end"}, .user_retries = 4, .fallback_retries = 1}, end()}), "accepted");
  EXPECT_EQ(refusal({{.name = "start", .next = {"end"}, .user_retries = 5, .fallback_retries = 1}, end()}),
            "step `start` asks for 5 retries and 1 fallbacks");
}

}  // namespace
}  // namespace headrace::flow
