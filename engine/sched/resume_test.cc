#include <gtest/gtest.h>

#include "sched/testing/script.h"

namespace headrace::sched {
namespace {

using namespace testing;
using Texts = Script::Texts;

OriginTask done(flow::StepIndex step, std::vector<std::int64_t> indices, std::string id, std::vector<std::string> next,
                std::optional<std::int64_t> splits = std::nullopt) {
  return {.step = step, .indices = std::move(indices), .iteration = -1, .ok = true, .transition = Transition{std::move(next), splits},
          .task_id = std::move(id)};
}

OriginTask failed(flow::StepIndex step, std::vector<std::int64_t> indices, std::string id) {
  return {.step = step, .indices = std::move(indices), .iteration = -1, .ok = false, .transition = std::nullopt, .task_id = std::move(id)};
}

// Steps of foreach_flow.
constexpr flow::StepIndex kStart = 0, kWork = 1, kGather = 2, kEnd = 3;

TEST(Resume, ClonesWhatWasOkAndExecutesTheRest) {
  Script run(foreach_flow(), {},
             Origin{.tasks = {done(kStart, {}, "a", {"work"}, 3), done(kWork, {0}, "b", {"gather"}), failed(kWork, {1}, "c"),
                              done(kWork, {2}, "d", {"gather"})}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0", "clone 2 work[0] of b <- start/1", "clone 3 work[2] of d <- start/1"}));
  EXPECT_EQ(run.cloned(2), Texts{});
  EXPECT_EQ(run.cloned(1), Texts{});
  EXPECT_EQ(run.cloned(1), Texts{});
  EXPECT_EQ(run.cloned(3), (Texts{"cloning done", "start 4 work[1] <- start/1"}));
  EXPECT_EQ(run.ok(4, {"gather"}), (Texts{"4.0 `Task finished successfully.`", "start 5 gather join <- work/2 work/4 work/3"}));
}

TEST(Resume, NothingAfterAnExecutedTaskIsCloned) {
  Script run(foreach_flow(), {},
             Origin{.tasks = {done(kStart, {}, "a", {"work"}, 1), done(kWork, {0}, "b", {"gather"}), done(kGather, {}, "c", {"end"}),
                              done(kEnd, {}, "d", {})},
                    .rerun = {kWork}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0"}));
  EXPECT_EQ(run.cloned(1), (Texts{"cloning done", "start 2 work[0] <- start/1"}));
  EXPECT_EQ(run.ok(2, {"gather"}), (Texts{"2.0 `Task finished successfully.`", "start 3 gather join <- work/2"}));
}

TEST(Resume, OfAFinishedRunClonesEverything) {
  Script run(graph({linear("start", "end"), end()}), {}, Origin{.tasks = {done(0, {}, "a", {"end"}), done(1, {}, "b", {})}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0", "clone 2 end of b <- start/1"}));
  run.cloned(1);
  EXPECT_EQ(run.cloned(2), (Texts{"cloning done", "finish successful"}));
}

TEST(Resume, OfNothingExecutesEverything) {
  Script run(graph({linear("start", "end"), end()}), {}, Origin{});
  EXPECT_EQ(run.begin(), (Texts{"cloning done", "start 1 start <- _parameters/0"}));
}

TEST(Resume, CloneOnlyExecutesNothing) {
  Script run(graph({linear("start", "end"), end()}), {}, Origin{.tasks = {done(0, {}, "a", {"end"})}, .rerun = {}, .clone_only = true});
  run.begin();
  EXPECT_EQ(run.cloned(1),
            (Texts{"cloning done", "not executed end",
                   "`Clone-only resume complete -- only previously successful steps were cloned; no new tasks executed!`", "finish cloned"}));
}

TEST(Resume, AWiderSplitThanAllowedFailsAfterCloning) {
  Script run(foreach_flow(), {.max_num_splits = 2}, Origin{.tasks = {done(kStart, {}, "a", {"work"}, 3)}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0"}));
  const Texts texts = run.cloned(1);
  EXPECT_EQ(texts.front(), "cloning done");
  EXPECT_EQ(texts.back().substr(0, 61), "finish failed: Step failure: Step *start* (task-id 1) failed:");
}

TEST(Resume, ATransitionThatTheNewFlowCannotMakeIsMadeAnew) {
  Script run(graph({linear("start", "end"), end()}), {}, Origin{.tasks = {done(0, {}, "a", {"other"})}});
  EXPECT_EQ(run.begin(), (Texts{"cloning done", "start 1 start <- _parameters/0"}));
}

TEST(Resume, GoesOnInTheMiddleOfARecursion) {
  Script run(graph({linear("start", "loop"), switch_("loop", {"loop", "end"}), end()}), {},
             Origin{.tasks = {done(0, {}, "a", {"loop"}),
                              {.step = 1, .indices = {}, .iteration = 0, .ok = true, .transition = Transition{{"loop"}, {}}, .task_id = "b"},
                              {.step = 1, .indices = {}, .iteration = 1, .ok = true, .transition = Transition{{"loop"}, {}}, .task_id = "c"}}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0", "clone 2 loop of b <- start/1", "clone 3 loop of c <- loop/2"}));
  run.cloned(1);
  run.cloned(2);
  EXPECT_EQ(run.cloned(3), (Texts{"cloning done", "start 4 loop <- loop/3"}));
}

TEST(Resume, ClonesAControlTaskWithItsNodes) {
  Script run(graph({parallel("start", "train", "j"), linear("train", "j"), join("j", "end"), end()}), {},
             Origin{.tasks = {done(0, {}, "a", {"train"}, 2), done(1, {0}, "b", {"j"})}});
  EXPECT_EQ(run.begin(), (Texts{"clone 1 start of a <- _parameters/0", "clone 2 train on 2 nodes of b <- start/1"}));
  run.cloned(1);
  EXPECT_EQ(run.cloned(2), (Texts{"cloning done", "start 3 j join <- train/2 train/2_node_1"}));
}

TEST(Resume, SendsClonesInABoundedStream) {
  Origin origin{.tasks = {done(kStart, {}, "s", {"work"}, 200)}};
  for (int i = 0; i < 200; ++i) origin.tasks.push_back(done(kWork, {i}, std::to_string(i), {"gather"}));
  Script run(foreach_flow(), {.max_num_splits = 200}, std::move(origin));
  EXPECT_EQ(run.begin().size(), static_cast<std::size_t>(kClonesInFlightMax));
  EXPECT_EQ(run.cloned(7), (Texts{"clone 65 work[63] of 63 <- start/1"}));
}

TEST(Resume, AnInterruptWaitsForTheClonesUnderWay) {
  Script run(foreach_flow(), {}, Origin{.tasks = {done(kStart, {}, "a", {"work"}, 1), done(kWork, {0}, "b", {"gather"})}});
  run.begin();
  run.cloned(1);
  EXPECT_EQ(run.interrupt().back(), "bad `Terminating 0 active tasks...`");
  EXPECT_EQ(run.cloned(2), (Texts{"bad `Flushing logs...`", "finish interrupted"}));
}

TEST(Resume, ACloneThatFailsIsNotWaitedFor) {
  Script run(foreach_flow(), {}, Origin{.tasks = {done(kStart, {}, "a", {"work"}, 1), done(kWork, {0}, "b", {"gather"})}});
  run.begin();
  run.interrupt();
  EXPECT_EQ(run.apply(RunBroken{.headline = "no", .message = "disk full"}), (Texts{"bad `Flushing logs...`", "finish interrupted"}));
}

}  // namespace
}  // namespace headrace::sched
