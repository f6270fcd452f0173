#include "sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sched/testing/script.h"

namespace headrace::sched {
namespace {

using namespace testing;
using Texts = Script::Texts;

flow::Graph hello() { return graph({linear("start", "end"), end()}); }

TEST(Linear, OneTaskAfterTheOther) {
  Script run(hello());
  EXPECT_EQ(run.begin(), (Texts{"start 1 start <- _parameters/0"}));
  EXPECT_EQ(run.started(1), Texts{});
  EXPECT_EQ(run.ok(1, {"end"}), (Texts{"1.0 `Task finished successfully.`", "start 2 end <- start/1"}));
  EXPECT_EQ(run.ok(2, {}), (Texts{"2.0 `Task finished successfully.`", "finish successful"}));
  EXPECT_TRUE(run.finished());
}

TEST(Linear, EventsThatComeTwiceOrLateChangeNothing) {
  Script run(hello());
  run.begin();
  EXPECT_EQ(run.begin(), Texts{});
  run.ok(1, {"end"});
  EXPECT_EQ(run.ok(1, {"end"}), Texts{});
  EXPECT_EQ(run.failed(1), Texts{});
  EXPECT_EQ(run.failed(2, 1), Texts{});
  EXPECT_EQ(run.failed(77), Texts{});
  run.ok(2, {});
  EXPECT_EQ(run.ok(2, {}), Texts{});
  EXPECT_EQ(run.interrupt(), Texts{});
}

TEST(Linear, AFlowOfOneStep) {
  auto made = flow::Graph::make({end("only")}, "only", "only");
  ASSERT_TRUE(made.ok());
  Script run(std::move(*made));
  EXPECT_EQ(run.begin(), (Texts{"start 1 only <- _parameters/0"}));
  EXPECT_EQ(run.ok(1, {}), (Texts{"1.0 `Task finished successfully.`", "finish successful"}));
}

TEST(Remote, ARepeatedAttemptWaitsAndTheFallbackIsLocal) {
  auto step = pod(linear("start", "end"));
  step.retry_wait_s = 120;
  step.user_retries = 1;
  step.fallback_retries = 1;
  Script run(graph({step, end()}));
  EXPECT_EQ(run.begin(), (Texts{"start 1 start on kubernetes <- _parameters/0"}));
  EXPECT_EQ(run.failed(1), (Texts{"1.0 stores `Task failed.`", "start 1 start retry 1 on kubernetes after 120s <- _parameters/0"}));
  EXPECT_EQ(run.failed(1, 1), (Texts{"1.1 stores `Task failed.`", "start 1 start fallback 2 <- _parameters/0"}));
  EXPECT_EQ(run.ok(1, {"end"}, std::nullopt, 2), (Texts{"1.2 `Task finished successfully.`", "start 2 end <- start/1"}));
}

TEST(Remote, WhatIsNotRepeatedIsToBlameAtTheEnd) {
  flow::Graph hello_graph = hello();
  Scheduler scheduler(hello_graph, {});
  (void)scheduler.apply(Begin{}, {});
  const AttemptEnded ended{.task = 1, .attempt = 0, .exit_code = kExitDisallowRetry, .transition = std::nullopt};
  const auto commands = scheduler.apply(ended, {});
  const auto& finish = std::get<FinishRun>(commands.back());
  EXPECT_EQ(finish.end, FinishRun::End::failed);
  EXPECT_EQ(finish.failed_task, (TaskRef{.step = 0, .task = 1}));
}

TEST(Branches, JoinInputsAreInTheOrderOfTheSplit) {
  Script run(graph({split("start", {"a", "b"}, "j"), linear("a", "a2"), linear("a2", "j"), linear("b", "j"), join("j", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"a", "b"}), (Texts{"1.0 `Task finished successfully.`", "start 2 a <- start/1", "start 3 b <- start/1"}));
  EXPECT_EQ(run.ok(3, {"j"}), (Texts{"3.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.ok(2, {"a2"}), (Texts{"2.0 `Task finished successfully.`", "start 4 a2 <- a/2"}));
  EXPECT_EQ(run.ok(4, {"j"}), (Texts{"4.0 `Task finished successfully.`", "start 5 j join <- a2/4 b/3"}));
  EXPECT_EQ(run.ok(5, {"end"}), (Texts{"5.0 `Task finished successfully.`", "start 6 end <- j/5"}));
}

TEST(Branches, OneOfThemMayBeEmpty) {
  Script run(graph({split("start", {"a", "j"}, "j"), linear("a", "j"), join("j", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"a", "j"}), (Texts{"1.0 `Task finished successfully.`", "start 2 a <- start/1"}));
  EXPECT_EQ(run.ok(2, {"j"}), (Texts{"2.0 `Task finished successfully.`", "start 3 j join <- a/2 start/1"}));
}

TEST(Foreach, ChildrenStartInIndexOrderWithinTheSlots) {
  Script run(foreach_flow(), {.max_workers = 2});
  run.begin();
  EXPECT_EQ(run.ok(1, {"work"}, 3), (Texts{"1.0 `Foreach yields 3 child steps.`", "1.0 `Task finished successfully.`",
                                           "start 2 work[0] <- start/1", "start 3 work[1] <- start/1"}));
  EXPECT_EQ(run.ok(3, {"gather"}), (Texts{"3.0 `Task finished successfully.`", "start 4 work[2] <- start/1"}));
  EXPECT_EQ(run.ok(4, {"gather"}), (Texts{"4.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.ok(2, {"gather"}), (Texts{"2.0 `Task finished successfully.`", "start 5 gather join <- work/2 work/3 work/4"}));
}

TEST(Foreach, TooManyChildrenFailTheRunAndNotTheTask) {
  Script run(foreach_flow(), {.max_num_splits = 100});
  run.begin();
  EXPECT_EQ(run.ok(1, {"work"}, 101),
            (Texts{"1.0 `Foreach yields 101 child steps.`", "1.0 `Task finished successfully.`", "bad `Workflow failed.`",
                   "bad `Terminating 0 active tasks...`", "bad `Flushing logs...`",
                   "finish failed: Step failure: Step *start* (task-id 1) failed: Foreach in step *start* yielded 101 child steps which is "
                   "more than the current maximum of 100 children. You can raise the maximum with the --max-num-splits option. "}));
}

TEST(Foreach, NestedJoinsPopOneLevel) {
  Script run(graph({foreach("start", "inner", "outer_join"), foreach("inner", "leaf", "inner_join"), linear("leaf", "inner_join"),
                    join("inner_join", "outer_join"), join("outer_join", "end"), end()}));
  run.begin();
  run.ok(1, {"inner"}, 2);
  EXPECT_EQ(run.ok(3, {"leaf"}, 1), (Texts{"3.0 `Foreach yields 1 child steps.`", "3.0 `Task finished successfully.`", "start 4 leaf[0] <- inner/3"}));
  EXPECT_EQ(run.ok(2, {"leaf"}, 2), (Texts{"2.0 `Foreach yields 2 child steps.`", "2.0 `Task finished successfully.`",
                                           "start 5 leaf[0] <- inner/2", "start 6 leaf[1] <- inner/2"}));
  EXPECT_EQ(run.ok(4, {"inner_join"}), (Texts{"4.0 `Task finished successfully.`", "start 7 inner_join join <- leaf/4"}));
  EXPECT_EQ(run.ok(6, {"inner_join"}), (Texts{"6.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.ok(5, {"inner_join"}), (Texts{"5.0 `Task finished successfully.`", "start 8 inner_join join <- leaf/5 leaf/6"}));
  EXPECT_EQ(run.ok(7, {"outer_join"}), (Texts{"7.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.ok(8, {"outer_join"}), (Texts{"8.0 `Task finished successfully.`", "start 9 outer_join join <- inner_join/8 inner_join/7"}));
}

TEST(Switch, OnlyTheChosenBranchExists) {
  Script run(graph({switch_("start", {"a", "b"}), linear("a", "end"), linear("b", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"b"}), (Texts{"1.0 `Task finished successfully.`", "start 2 b <- start/1"}));
  EXPECT_EQ(run.ok(2, {"end"}), (Texts{"2.0 `Task finished successfully.`", "start 3 end <- b/2"}));
}

TEST(Switch, InsideOfASplitABranchArrivesOnce) {
  Script run(graph({split("start", {"s", "c"}, "j"), switch_("s", {"a", "b"}), linear("a", "j"), linear("b", "j"), linear("c", "j"),
                    join("j", "end"), end()}));
  run.begin();
  run.ok(1, {"s", "c"});
  EXPECT_EQ(run.ok(2, {"b"}), (Texts{"2.0 `Task finished successfully.`", "start 4 b <- s/2"}));
  EXPECT_EQ(run.ok(3, {"j"}), (Texts{"3.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.ok(4, {"j"}), (Texts{"4.0 `Task finished successfully.`", "start 5 j join <- b/4 c/3"}));
}

TEST(Switch, RecursionMakesANewTaskEachPass) {
  Script run(graph({linear("start", "loop"), switch_("loop", {"loop", "end"}), end()}));
  run.begin();
  run.ok(1, {"loop"});
  EXPECT_EQ(run.ok(2, {"loop"}), (Texts{"2.0 `Task finished successfully.`", "start 3 loop <- loop/2"}));
  EXPECT_EQ(run.ok(3, {"loop"}), (Texts{"3.0 `Task finished successfully.`", "start 4 loop <- loop/3"}));
  EXPECT_EQ(run.ok(4, {"end"}), (Texts{"4.0 `Task finished successfully.`", "start 5 end <- loop/4"}));
}

TEST(Parallel, TheControlTaskStandsForItsNodes) {
  Script run(graph({parallel("start", "train", "j"), linear("train", "j"), join("j", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"train"}, 3), (Texts{"1.0 `Task finished successfully.`", "start 2 train on 3 nodes <- start/1"}));
  EXPECT_EQ(run.ok(2, {"j"}), (Texts{"2.0 `Task finished successfully.`", "start 3 j join <- train/2 train/2_node_1 train/2_node_2"}));
}

TEST(Parallel, LessThanOneNodeIsAnOrdinaryTask) {
  Script run(graph({parallel("start", "train", "j"), linear("train", "j"), join("j", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"train"}, 0), (Texts{"1.0 `Task finished successfully.`", "start 2 train <- start/1"}));
  EXPECT_EQ(run.ok(2, {"j"}), (Texts{"2.0 `Task finished successfully.`", "start 3 j join <- train/2"}));
}

flow::Graph retrying(int user, int fallback) {
  auto start = linear("start", "end");
  start.user_retries = user;
  start.fallback_retries = fallback;
  return graph({start, end()});
}

TEST(Retry, KeepsTheTaskAndCountsAttempts) {
  Script run(retrying(1, 1));
  run.begin();
  EXPECT_EQ(run.failed(1, 0), (Texts{"1.0 stores `Task failed.`", "start 1 start retry 1 <- _parameters/0"}));
  EXPECT_EQ(run.failed(1, 0), Texts{});
  EXPECT_EQ(run.failed(1, 1, 139), (Texts{"1.1 stores `Task failed with a segmentation fault.`", "start 1 start fallback 2 <- _parameters/0"}));
  EXPECT_EQ(run.ok(1, {"end"}, std::nullopt, 2), (Texts{"1.2 `Task finished successfully.`", "start 2 end <- start/1"}));
}

TEST(Retry, KeepsTheSlot) {
  auto graph_ = graph({split("start", {"a", "b"}, "j"), [] { auto a = linear("a", "j"); a.user_retries = 1; return a; }(), linear("b", "j"),
                       join("j", "end"), end()});
  Script run(std::move(graph_), {.max_workers = 1});
  run.begin();
  EXPECT_EQ(run.ok(1, {"a", "b"}), (Texts{"1.0 `Task finished successfully.`", "start 2 a <- start/1"}));
  EXPECT_EQ(run.failed(2), (Texts{"2.0 stores `Task failed.`", "start 2 a retry 1 <- start/1"}));
  EXPECT_EQ(run.ok(2, {"j"}, std::nullopt, 1), (Texts{"2.1 `Task finished successfully.`", "start 3 b <- start/1"}));
}

TEST(Retry, IsNotForAnExitThatForbidsIt) {
  Script run(retrying(3, 0));
  run.begin();
  EXPECT_EQ(run.failed(1, 0, 202),
            (Texts{"1.0 stores `Task failed.`", "`This failed task will not be retried.`",
                   "finish failed: Internal error: The terminal step *end* was not successful by the end of flow."}));
}

TEST(Retry, WhatIsHopelessIsNotTriedAgainAndIsTheRunsFailure) {
  Script run(retrying(3, 0));
  run.begin();
  const AttemptEnded ended{.task = 1, .attempt = 0, .exit_code = 1, .transition = std::nullopt, .hopeless = true};
  EXPECT_EQ(run.apply(ended), (Texts{"1.0 stores `Task failed.`", "`This failed task will not be retried.`", "bad `Workflow failed.`",
                                     "bad `Terminating 0 active tasks...`", "bad `Flushing logs...`",
                                     "finish failed: Step failure: Step *start* (task-id 1) failed."}));
}

TEST(Retry, WhatIsHopelessGoesToItsFallbackAtOnce) {
  Script run(retrying(3, 2));
  run.begin();
  AttemptEnded ended{.task = 1, .attempt = 0, .exit_code = 1, .transition = std::nullopt, .hopeless = true};
  EXPECT_EQ(run.apply(ended), (Texts{"1.0 stores `Task failed.`", "`This failed task will not be retried.`", "start 1 start fallback 1 <- _parameters/0"}));
  EXPECT_EQ(run.failed(1, 1), (Texts{"1.1 stores `Task failed.`", "start 1 start fallback 2 <- _parameters/0"}));
  EXPECT_EQ(run.ok(1, {"end"}, std::nullopt, 2), (Texts{"1.2 `Task finished successfully.`", "start 2 end <- start/1"}));
}

TEST(Retry, DoesNotCountWhatWasLost) {
  auto start = pod(linear("start", "end"));
  start.user_retries = 1;
  start.retry_wait_s = 120;
  Script run(graph({start, end()}));
  run.begin();
  const auto lost = [&](int attempt) { return run.apply(AttemptEnded{.task = 1, .attempt = attempt, .exit_code = 1, .lost = true}); };
  EXPECT_EQ(lost(0), (Texts{"1.0 stores `Task failed.`", "1.0 stores `It was lost with what it ran on: it is tried again, which @retry does not count (1 of 3).`",
                            "start 1 start retry 1 on kubernetes <- _parameters/0"}));
  EXPECT_EQ(run.failed(1, 1), (Texts{"1.1 stores `Task failed.`", "start 1 start retry 2 on kubernetes after 120s <- _parameters/0"}));
  EXPECT_THAT(lost(2), ::testing::Contains("start 1 start retry 3 on kubernetes <- _parameters/0"));
  EXPECT_THAT(lost(3), ::testing::Contains("start 1 start retry 4 on kubernetes <- _parameters/0"));
  EXPECT_THAT(lost(4), ::testing::Contains("finish failed: Step failure: Step *start* (task-id 1) failed.")) << "three are made good";
}

TEST(Retry, NeverMakesMoreAttemptsThanATaskHas) {
  Script run(retrying(4, 1));
  run.begin();
  for (int attempt = 0; attempt < 4; ++attempt) run.failed(1, attempt);
  EXPECT_EQ(run.apply(AttemptEnded{.task = 1, .attempt = 4, .exit_code = 1, .lost = true}),
            (Texts{"1.4 stores `Task failed.`", "start 1 start fallback 5 <- _parameters/0"}));
}

TEST(Retry, AnExitThatForbidsItLetsTheOthersGoOn) {
  Script run(graph({split("start", {"a", "b"}, "j"), linear("a", "j"), linear("b", "b2"), linear("b2", "j"), join("j", "end"), end()}));
  run.begin();
  run.ok(1, {"a", "b"});
  EXPECT_EQ(run.failed(2, 0, 202), (Texts{"2.0 stores `Task failed.`", "`This failed task will not be retried.`"}));
  EXPECT_EQ(run.ok(3, {"b2"}), (Texts{"3.0 `Task finished successfully.`", "start 4 b2 <- b/3"}));
  EXPECT_EQ(run.ok(4, {"j"}), (Texts{"4.0 `Task finished successfully.`",
                                     "finish failed: Internal error: The terminal step *end* was not successful by the end of flow."}));
}

TEST(Failure, AnAttemptThatHasNotCommittedHasFailed) {
  Script run(hello());
  run.begin();
  EXPECT_EQ(run.failed(1, 0, 0), (Texts{"1.0 stores `Task failed.`", "bad `Workflow failed.`", "bad `Terminating 0 active tasks...`",
                                        "bad `Flushing logs...`", "finish failed: Step failure: Step *start* (task-id 1) failed."}));
}

TEST(Failure, SiblingsGetTimeToEnd) {
  Script run(foreach_flow(), {.max_workers = 3});
  run.begin();
  run.ok(1, {"work"}, 5);
  EXPECT_EQ(run.failed(3), (Texts{"3.0 stores `Task failed.`", "bad `Workflow failed.`", "bad `Terminating 2 active tasks...`", "mark 2.0",
                                  "mark 4.0", "hold"}));
  EXPECT_EQ(run.wait(), kGrace);
  EXPECT_EQ(run.ok(2, {"gather"}), (Texts{"2.0 `Task finished successfully.`"}));
  EXPECT_EQ(run.failed(4), (Texts{"4.0 stores `Task failed.`", "`This failed task will not be retried.`", "release `Flushing logs...`",
                                  "finish failed: Step failure: Step *work* (task-id 3) failed."}));
}

TEST(Failure, SiblingsThatDoNotEndAreKilled) {
  Script run(foreach_flow(), {.max_workers = 3});
  run.begin();
  run.ok(1, {"work"}, 3);
  run.failed(3);
  run.pass(kGrace - 1ms);
  EXPECT_EQ(run.tick(), Texts{});
  run.pass(1ms);
  EXPECT_EQ(run.tick(), (Texts{"kill 2.0", "kill 4.0",
                               "release `Killing 2 remaining tasks after having waited for 5 seconds -- some tasks may not exit cleanly` "
                               "`Flushing logs...`"}));
  EXPECT_EQ(run.wait(), std::nullopt);
  EXPECT_EQ(run.failed(2, 0, 137), (Texts{"`This failed task will not be retried.`"}));
  EXPECT_EQ(run.failed(4, 0, 137), (Texts{"`This failed task will not be retried.`", "finish failed: Step failure: Step *work* (task-id 3) failed."}));
}

TEST(Failure, ATransitionThatTheGraphDoesNotHaveIsAnInternalError) {
  Script run(graph({switch_("start", {"a", "b"}), linear("a", "end"), linear("b", "end"), end()}));
  run.begin();
  EXPECT_EQ(run.ok(1, {"end"}).back(),
            "finish failed: Internal error: Switch step *start* may go on to one of *a, b*, but when it was executed it went on to *end*.");
  Script other(hello());
  other.begin();
  EXPECT_EQ(other.ok(1, {"nowhere"}).back().substr(0, 99),
            "finish failed: Internal error: By its source, step *start* goes on to *end*; when it was executed, ");
  Script none(foreach_flow());
  none.begin();
  EXPECT_EQ(none.ok(1, {"work"}).back(), "finish failed: Internal error: Foreach in step *start* reported 0 items.");
}

TEST(Failure, OfTheEngineItselfEndsTheRun) {
  Script run(hello());
  run.begin();
  EXPECT_EQ(run.apply(RunBroken{.headline = "the task host died", .message = "signal 9"}),
            (Texts{"bad `Workflow failed.`", "bad `Terminating 1 active tasks...`", "mark 1.0", "hold"}));
  EXPECT_EQ(run.failed(1, 0, 137), (Texts{"1.0 stores `Task failed.`", "`This failed task will not be retried.`", "release `Flushing logs...`",
                                          "finish failed: the task host died: signal 9"}));
}

constexpr const char* kInterrupted =
    "bad `Workflow interrupted. Please avoid pressing Ctrl+C again to let the workflow clean up process finish.`";

TEST(Interrupt, PassesTheSignalOnAndWaits) {
  Script run(foreach_flow(), {.max_workers = 2});
  run.begin();
  run.ok(1, {"work"}, 3);
  EXPECT_EQ(run.interrupt(), (Texts{kInterrupted, "interrupt 2.0", "interrupt 3.0", "bad `Terminating 2 active tasks...`", "mark 2.0", "mark 3.0",
                                    "hold"}));
  EXPECT_EQ(run.failed(2), (Texts{"2.0 stores `Task failed.`", "`This failed task will not be retried.`"}));
  EXPECT_EQ(run.failed(3), (Texts{"3.0 stores `Task failed.`", "`This failed task will not be retried.`", "release `Flushing logs...`",
                                  "finish interrupted"}));
}

TEST(Interrupt, TwiceKillsAtOnce) {
  Script run(hello());
  run.begin();
  run.interrupt();
  run.pass(2s);
  EXPECT_EQ(run.interrupt(), (Texts{"kill 1.0", "release `Killing 1 remaining tasks after having waited for 2 seconds -- some tasks may not "
                                                "exit cleanly` `Flushing logs...`"}));
  EXPECT_EQ(run.interrupt(), Texts{});
  EXPECT_EQ(run.failed(1, 0, 137), (Texts{"`This failed task will not be retried.`", "finish interrupted"}));
}

TEST(Interrupt, BeforeAnythingRuns) {
  Script run(hello());
  EXPECT_EQ(run.interrupt(), (Texts{kInterrupted, "bad `Terminating 0 active tasks...`", "bad `Flushing logs...`", "finish interrupted"}));
  EXPECT_EQ(run.begin(), Texts{});
}

TEST(Timeout, TerminatesThenKillsThenRetries) {
  auto start = linear("start", "end");
  start.timeout_s = 10;
  start.user_retries = 1;
  Script run(graph({start, end()}));
  run.begin();
  EXPECT_EQ(run.wait(), kProgressInterval);
  run.started(1);
  EXPECT_EQ(run.started(1), Texts{});
  EXPECT_EQ(run.wait(), 10s + kTimeoutSlack);
  EXPECT_EQ(run.tick(), Texts{});
  run.pass(10s + kTimeoutSlack);
  EXPECT_EQ(run.tick(), (Texts{"mark 1.0", "terminate 1.0"}));
  run.pass(kGrace);
  EXPECT_EQ(run.tick(), (Texts{"kill 1.0"}));
  EXPECT_EQ(run.failed(1, 0, 137), (Texts{"1.0 stores `Task failed.`", "start 1 start retry 1 <- _parameters/0"}));
  EXPECT_EQ(run.started(1, 0), Texts{});
  run.started(1, 1);
  EXPECT_EQ(run.wait(), 10s + kTimeoutSlack);
  EXPECT_EQ(run.ok(1, {"end"}, std::nullopt, 1), (Texts{"1.1 `Task finished successfully.`", "start 2 end <- start/1"}));
  EXPECT_GT(run.wait(), 10s + kTimeoutSlack);
}

TEST(Progress, IsSaidEveryFiveMinutes) {
  Script run(foreach_flow(), {.max_workers = 2});
  run.begin();
  run.pass(300s);
  EXPECT_EQ(run.tick(), (Texts{"`1 task is running: start (1 running; 0 done).`", "`No tasks are waiting in the queue.`",
                               "`3 steps have not started: work, gather, end.`"}));
  EXPECT_EQ(run.tick(), Texts{});
  EXPECT_EQ(run.wait(), 300s);
  run.ok(1, {"work"}, 4);
  run.pass(300s);
  EXPECT_EQ(run.tick(), (Texts{"`2 tasks are running: work (2 running; 0 done).`", "`2 tasks are waiting in the queue.`",
                               "`2 steps have not started: gather, end.`"}));
  run.ok(2, {"gather"});
  run.pass(300s);
  EXPECT_EQ(run.tick(), (Texts{"`2 tasks are running: work (2 running; 1 done).`", "`1 task is waiting in the queue: `",
                               "`2 steps have not started: gather, end.`"}));
}

}  // namespace
}  // namespace headrace::sched
