#include "run/failure_facts.h"

#include <gtest/gtest.h>

namespace headrace::run {
namespace {

constexpr std::uint64_t kMachine = 24'000'000'000;

FailureFact of_start() { return FailureFact{.step = "start", .label = "1/start/1"}; }

TEST(FailureFacts, AnOrdinaryFailureNeedsNoAdvice) {
  FailureFact fact = of_start();
  fact.exit_code = 1;
  EXPECT_EQ(advice_for(fact, kMachine), "");
}

TEST(FailureFacts, ResourcesThatDoNotFitPointToKubernetes) {
  FailureFact fact = of_start();
  fact.resources = flow::Resources{.cpu = 1, .memory_mb = 60'000};
  EXPECT_EQ(advice_for(fact, kMachine),
            "`start` asked for 60000 MB with @resources, this machine has 24000 MB: try `--with kubernetes`");
}

TEST(FailureFacts, TheOutOfMemoryKillerIsNamed) {
  FailureFact fact = of_start();
  fact.signal = 9;
  fact.oom = true;
  fact.peak_kb = 2'000'000;
  fact.resources = flow::Resources{.cpu = 1, .memory_mb = 4096};
  EXPECT_EQ(advice_for(fact, kMachine),
            "The kernel killed `1/start/1` for lack of memory: it used 2048 MB at its peak, it asked for 4096 MB with "
            "@resources; this machine has 24000 MB");
}

TEST(FailureFacts, OurOwnKillIsNoMystery) {
  FailureFact fact = of_start();
  fact.signal = 9;
  fact.killed_by_us = true;
  EXPECT_EQ(advice_for(fact, kMachine), "");
}

TEST(FailureFacts, KeepsTheNewestOfABoundedNumber) {
  FailureFacts facts;
  for (std::uint32_t task = 1; task <= FailureFacts::kKeptMax + 5; ++task) facts.add(task, of_start());
  EXPECT_EQ(facts.find(5), nullptr);
  EXPECT_NE(facts.find(6), nullptr);
  FailureFact again = of_start();
  again.exit_code = 7;
  facts.add(6, again);
  EXPECT_EQ(facts.find(6)->exit_code, 7);
}

}  // namespace
}  // namespace headrace::run
