#include "store/run_copies.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/tar.h"
#include "store/directory_backend.h"
#include "store/reader.h"
#include "store/run_copy.h"
#include "store/run_records.h"
#include "store/tags.h"
#include "store/testing/faulty_backend.h"
#include "store/testing/place.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

const FlowName kFlow("F");
const RunId kRun("1");
const WallTime kNow{std::chrono::seconds{1795709449}};

/// Machine A (`here`) runs into `data`; machine B (`there`) has `data` only.
class RunCopiesTest : public testing::InEachPlace {
 protected:
  void SetUp() override {
    identity_ = {.flow = kFlow, .run = kRun, .user = "ann", .tags = {"mine"}, .system_tags = {"user:ann"}};
    ASSERT_TRUE(RunRecords::register_run(copying_, identity_, kNow).ok());
    copying_.begin(kRun);
  }
  void run_task(const std::string& task, const std::string& step = "work") {
    const AttemptPath attempt{.task = {.run = kRun, .step = StepName(step), .task = TaskId(task)}, .attempt = 0};
    ASSERT_TRUE(records_().begin(attempt, {{.name = "user", .type = "user", .value = "ann"}}, kNow).ok());
    Manifest manifest;
    manifest.set(Artifact{.name = "x", .key = BlobKey(std::string(40, 'a')), .size = 1, .type = "t", .encoding = "pickle-v4"});
    ASSERT_TRUE(records_().finish(attempt, manifest, true, {}, kNow).ok());
  }
  RunRecords records_() { return {data_, copying_, identity_}; }
  void flush() { ASSERT_TRUE(copying_.flush(kNow).ok()); }
  void bring(WallTime now = kNow) {
    const auto brought = copies_.bring_run(data_, there_, kFlow, kRun, now);
    ASSERT_TRUE(brought.ok()) << to_text(brought.error());
  }
  std::vector<std::string> copy_names() {
    std::vector<std::string> names;
    const auto entries = data_.list("F/1/_headrace");
    for (const auto& entry : *entries) names.push_back(entry.name);
    return names;
  }
  std::vector<std::string> tags_of(Backend& meta) {
    const auto run = MetadataReader{meta}.get({"F", "1"});
    return run ? run->at("tags").get<std::vector<std::string>>() : std::vector<std::string>{"no run"};
  }
  void expect_same(const std::string& folder) {
    const auto here = here_.list(folder);
    const auto there = there_.list(folder);
    for (const auto& entry : *here) {
      if (entry.name == "_headrace") continue;
      const std::string key = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (entry.directory) {
        expect_same(key);
      } else {
        const auto copy = there_.get(key);
        ASSERT_TRUE(copy.ok()) << key;
        EXPECT_EQ(*copy, *here_.get(key)) << key;
      }
    }
  }

  testing::TemporaryDirectory folder_;
  Backend& data_ = backend_;
  DirectoryBackend here_{folder_.path() + "/here"};
  DirectoryBackend there_{folder_.path() + "/there"};
  RunIdentity identity_;
  CopyingBackend copying_{here_, data_, kFlow};
  RunCopies copies_;
};

INSTANTIATE_TEST_SUITE_P(In, RunCopiesTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(RunCopiesTest, ARunArrivesAsTheFilesItIs) {
  run_task("1", "start");
  flush();
  run_task("2");
  run_task("3");
  flush();
  flush();
  EXPECT_EQ(copy_names(), (std::vector<std::string>{"records-000000.tgz", "records-000001.tgz"}));
  bring();
  expect_same("");
  EXPECT_EQ(*there_.get("F/1/_headrace/copied"), "2");
  EXPECT_EQ(MetadataReader{there_}.list({"F", "1", "work"})->size(), 2U);
}

TEST_P(RunCopiesTest, ARunThatGoesOnIsBroughtUpToDateOnceInAWhile) {
  run_task("1");
  flush();
  bring();
  run_task("2");
  flush();
  bring(kNow + 1s);
  EXPECT_EQ(MetadataReader{there_}.list({"F", "1", "work"})->size(), 1U);
  bring(kNow + 2s);
  EXPECT_EQ(MetadataReader{there_}.list({"F", "1", "work"})->size(), 2U);
  expect_same("");
}

TEST_P(RunCopiesTest, AttemptsOfOneTaskInTwoArchivesAreBothThere) {
  const AttemptPath second{.task = {.run = kRun, .step = StepName("work"), .task = TaskId("1")}, .attempt = 1};
  run_task("1");
  flush();
  ASSERT_TRUE(records_().begin(second, {}, kNow + 5s).ok());
  flush();
  bring();
  expect_same("");
}

TEST_P(RunCopiesTest, TheFolderOfTheRunItselfIsLeftAlone) {
  run_task("1");
  flush();
  ASSERT_TRUE(copies_.bring_run(data_, here_, kFlow, kRun, kNow).ok());
  EXPECT_TRUE(here_.list("F/1/_headrace")->empty());
}

TEST_P(RunCopiesTest, WithoutACopyThereIsNothing) {
  bring();
  EXPECT_TRUE(there_.list("")->empty());
  ASSERT_TRUE(copies_.bring_run(data_, there_, kFlow, RunId{"../x"}, kNow).ok());
  ASSERT_TRUE(copies_.bring_runs(data_, there_, FlowName{"None"}, kNow).ok());
  EXPECT_TRUE(there_.list("")->empty());
}

TEST_P(RunCopiesTest, AReaderThatDiedAnywhereIsMadeGood) {
  for (int i = 0; i < 3; ++i) {
    run_task(std::to_string(i));
    flush();
  }
  for (int fail_at = 1;; ++fail_at) {
    SCOPED_TRACE(fail_at);
    testing::TemporaryDirectory place;
    DirectoryBackend meta{place.path()};
    testing::FaultyBackend faulty{meta, fail_at};
    const bool died = !RunCopies{}.bring_run(data_, faulty, kFlow, kRun, kNow).ok();
    if (!MetadataReader{meta}.get({"F", "1"})) {
      EXPECT_TRUE(died);
    } else {
      EXPECT_EQ(MetadataReader{meta}.list({"F", "1", "work"})->size(), 3U) << "the run's own record comes last";
    }
    ASSERT_TRUE(RunCopies{}.bring_run(data_, meta, kFlow, kRun, kNow).ok());
    EXPECT_EQ(MetadataReader{meta}.list({"F", "1", "work"})->size(), 3U);
    EXPECT_EQ(*meta.get("F/1/_headrace/copied"), "3");
    if (!died) break;
  }
}

TEST_P(RunCopiesTest, WhatCouldNotBeCopiedGoesWithTheNext) {
  testing::FaultyBackend broken{data_, 1};
  CopyingBackend copying{here_, broken, kFlow};
  copying.begin(kRun);
  ASSERT_TRUE(*copying.put_new("F/1/work/_meta/_self.json", "{}"));
  EXPECT_FALSE(copying.flush(kNow).ok());
  EXPECT_FALSE(copying.flush(kNow).ok()) << "it is still there";
  broken.mend();
  EXPECT_TRUE(copying.flush(kNow).ok());
  EXPECT_EQ(copy_names(), std::vector<std::string>{"records-000000.tgz"}) << "readers would miss a number left out";
}

TEST_P(RunCopiesTest, ASecondWriterTakesTheNextNumbersAndRecordsOfOtherRunsStayOut) {
  flush();
  CopyingBackend second{here_, data_, kFlow};
  ASSERT_TRUE(*second.put_new("F/0/work/_meta/_self.json", "{}"));
  ASSERT_TRUE(second.put("F/latest_run", "1").ok());
  second.begin(kRun);
  ASSERT_TRUE(*second.put_new("F/1/late/_meta/_self.json", "{}"));
  ASSERT_TRUE(second.flush(kNow).ok());
  EXPECT_EQ(copy_names(), (std::vector<std::string>{"records-000000.tgz", "records-000001.tgz"}));
  bring();
  EXPECT_TRUE(there_.size("F/1/late/_meta/_self.json")->has_value());
  EXPECT_FALSE(there_.size("F/0/work/_meta/_self.json")->has_value());
  EXPECT_FALSE(there_.size("F/latest_run")->has_value());
}

TEST_P(RunCopiesTest, ListsBringTheRecordsOfRunsAlone) {
  run_task("1");
  flush();
  ASSERT_TRUE(data_.put("F/data/ab/abc", "blob").ok());
  ASSERT_TRUE(data_.put("F/of_metaflow/start/1/0.attempt.json", "{}").ok());
  ASSERT_TRUE(data_.put("mf.cards/F/runs/1/x", "card").ok());
  ASSERT_TRUE(copies_.bring_flows(data_, there_, kNow).ok());
  EXPECT_EQ(MetadataReader{there_}.list({})->size(), 1U);
  EXPECT_EQ(MetadataReader{there_}.list({"F"})->size(), 1U);
  EXPECT_TRUE(MetadataReader{there_}.list({"F", "1"})->empty());
  bring();
  expect_same("");
}

TEST_P(RunCopiesTest, TagsAreSharedBetweenMachines) {
  flush();
  const auto change = [&](Backend& meta, std::vector<std::string> add, std::vector<std::string> remove) {
    const auto changed = copies_.change_tags(data_, meta, kFlow, kRun, add, remove, kNow);
    ASSERT_TRUE(changed.ok()) << to_text(changed.error());
  };
  change(there_, {"there"}, {});
  EXPECT_EQ(tags_of(there_), (std::vector<std::string>{"mine", "there"}));
  change(here_, {"here"}, {"mine"});
  EXPECT_EQ(tags_of(here_), (std::vector<std::string>{"there", "here"}));
  bring(kNow + 2s);
  EXPECT_EQ(tags_of(there_), (std::vector<std::string>{"there", "here"}));
  change(there_, {"here"}, {});  // nothing to do
  testing::TemporaryDirectory place;
  DirectoryBackend third{place.path()};
  ASSERT_TRUE(copies_.bring_runs(data_, third, kFlow, kNow).ok());
  EXPECT_EQ(tags_of(third), (std::vector<std::string>{"there", "here"}));
  EXPECT_EQ(copy_names(), (std::vector<std::string>{"records-000000.tgz", "run-000000.json", "run-000001.json"}));
}

TEST_P(RunCopiesTest, ManyMachinesLoseNoTag) {
  flush();
  constexpr int kMachines = 8;
  std::vector<std::thread> machines;
  for (int i = 0; i < kMachines; ++i) {
    machines.emplace_back([&, i] {
      DirectoryBackend meta{folder_.path() + "/machine" + std::to_string(i)};
      RunCopies copies;
      for (const std::string part : {"a", "b"}) {
        EXPECT_TRUE(copies.change_tags(data_, meta, kFlow, kRun, {part + std::to_string(i)}, {}, kNow).ok());
      }
    });
  }
  for (std::thread& machine : machines) machine.join();
  bring();
  EXPECT_EQ(tags_of(there_).size(), 1U + 2 * kMachines);
}

TEST_P(RunCopiesTest, ARunWithoutACopyIsTaggedHere) {
  ASSERT_TRUE(copies_.change_tags(data_, here_, kFlow, kRun, {"more"}, {}, kNow).ok());
  EXPECT_EQ(tags_of(here_), (std::vector<std::string>{"mine", "more"}));
  EXPECT_TRUE(data_.list("F/1/_headrace")->empty());
  const auto none = copies_.change_tags(data_, there_, kFlow, kRun, {"more"}, {}, kNow);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, Kind::missing);
}

TEST_P(RunCopiesTest, DamageIsNamedAndNothingOfItIsLaidDown) {
  run_task("1");
  flush();
  const std::string key = "F/1/_headrace/records-000000.tgz";
  const std::string good = *data_.get(key);
  std::string foreign;
  codec::TarWriter writer;
  writer.add("F/2/_meta/_self.json", "{}", 0, foreign);
  writer.finish(foreign);
  for (const std::string& bad : {good.substr(0, good.size() / 2), std::string{"no archive"}, codec::gzip(foreign)}) {
    ASSERT_TRUE(data_.put(key, bad).ok());
    const auto brought = RunCopies{}.bring_run(data_, there_, kFlow, kRun, kNow);
    ASSERT_FALSE(brought.ok());
    EXPECT_NE(to_text(brought.error()).find("records-000000.tgz"), std::string::npos) << to_text(brought.error());
    EXPECT_FALSE(MetadataReader{there_}.get({"F", "1"}).ok());
  }
  ASSERT_TRUE(data_.put(key, good).ok());
  bring();
  expect_same("");
}

}  // namespace
}  // namespace headrace::store
