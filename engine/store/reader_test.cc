#include "store/reader.h"

#include <gtest/gtest.h>

#include "store/run_records.h"
#include "store/tags.h"
#include "store/testing/place.h"

namespace headrace::store {
namespace {

const WallTime kNow{std::chrono::microseconds{1795709449288783}};
constexpr const char* kKey = "868436778cb011a1c6230bc12534683ab0b7f1c3";

class ReaderTest : public testing::InEachPlace {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RunRecords::register_run(backend_, identity_, kNow).ok());
    for (const char* step : {"start", "work"}) add_task(step, step == std::string{"start"} ? "1" : "2", 0);
    add_task("work", "10", 0);
    add_task("work", "10", 1);
  }
  void add_task(const std::string& step, const std::string& task, int attempt) {
    const AttemptPath path{{RunId{"1"}, StepName{step}, TaskId{task}}, attempt};
    Manifest manifest{.attempt = attempt};
    manifest.set({.name = attempt == 0 ? "first" : "second", .key = BlobKey{kKey}, .size = 4, .encoding = "pickle-v4"});
    manifest.set({.name = "x", .key = BlobKey{kKey}, .size = 4, .encoding = "pickle-v4"});
    const WallTime now = kNow + std::chrono::milliseconds{10 * ++made_};
    ASSERT_TRUE(records_.begin(path, {}, now).ok());
    ASSERT_TRUE(records_.finish(path, manifest, true, {}, now + 1ms).ok());
  }
  std::vector<std::string> names(const Path& path, const char* field, std::optional<int> attempt = {}) {
    auto objects = reader_.list(path, attempt);
    EXPECT_TRUE(objects.ok());
    std::vector<std::string> result;
    if (objects) {
      for (const codec::Json& object : *objects) result.push_back(object[field].get<std::string>());
    }
    return result;
  }

  using Names = std::vector<std::string>;
  RunIdentity identity_{.flow = FlowName{"F"}, .run = RunId{"1"}, .user = "ann", .tags = {"t1"}, .system_tags = {"user:ann"},
                        .datastore_root = "/d"};
  RunRecords records_{backend_, backend_, identity_};
  MetadataReader reader_{backend_};
  int made_ = 0;
  FlowName flow_{"F"};
  TaskPath retried_{RunId{"1"}, StepName{"work"}, TaskId{"10"}};
};

INSTANTIATE_TEST_SUITE_P(In, ReaderTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(ReaderTest, ChildrenComeNewestFirst) {
  EXPECT_EQ(names({}, "flow_id"), Names{"F"});
  EXPECT_EQ(names({"F"}, "run_number"), Names{"1"});
  EXPECT_EQ(names({"F", "1"}, "step_name"), (Names{"work", "start"}));
  EXPECT_EQ(names({"F", "1", "work"}, "task_id"), (Names{"10", "2"}));
  EXPECT_EQ(names({"F", "1", "none"}, "task_id"), Names{});
}

TEST_P(ReaderTest, ArtifactsAreThoseOfTheLastDoneAttempt) {
  const Path task{"F", "1", "work", "10"};
  EXPECT_EQ(names(task, "name"), (Names{"second", "x"}));
  EXPECT_EQ(names(task, "name", 0), (Names{"first", "x"}));
  EXPECT_EQ(names(task, "name", 3), Names{});
  auto artifact = reader_.get({"F", "1", "work", "10", "x"});
  ASSERT_TRUE(artifact.ok());
  EXPECT_EQ((*artifact)["attempt_id"], 1);
  EXPECT_EQ(reader_.get({"F", "1", "work", "10", "first"}).error().kind, Kind::missing);
  EXPECT_TRUE(reader_.get({"F", "1", "work", "10", "first"}, 0).ok());
  // A begun attempt that is not done shows nothing yet, but the one before it stays.
  ASSERT_TRUE(records_.begin({retried_, 2}, {}, kNow + 1s).ok());
  EXPECT_EQ(names(task, "name"), (Names{"second", "x"}));
}

TEST_P(ReaderTest, MissingAndDamagedObjectsDoNotExist) {
  EXPECT_EQ(reader_.get({"F", "2"}).error().kind, Kind::missing);
  EXPECT_EQ(reader_.get({"F", "..", "x"}).error().kind, Kind::missing);
  EXPECT_EQ(reader_.get({}).error().kind, Kind::misuse);
  ASSERT_TRUE(backend_.put("F/1/work/2/_meta/_self.json", "{\"run_num").ok());
  EXPECT_EQ(names({"F", "1", "work"}, "task_id"), Names{"10"});
  EXPECT_EQ(reader_.get({"F", "1", "work", "2"}).error().kind, Kind::missing);
  ASSERT_TRUE(backend_.put("F/1/work/10/_meta/sysmeta_attempt-done_9795709449288.json", "[1").ok());
  EXPECT_EQ(names({"F", "1", "work", "10"}, "name"), Names{});
}

TEST_P(ReaderTest, MetadataComesOldestFirst) {
  auto records = reader_.task_metadata({"F", "1", "work", "10"});
  ASSERT_TRUE(records.ok());
  std::int64_t last = 0;
  for (const codec::Json& record : *records) {
    EXPECT_GE(record["ts_epoch"].get<std::int64_t>(), last);
    last = record["ts_epoch"].get<std::int64_t>();
  }
  EXPECT_EQ(records->back()["tags"], codec::Json::array({"attempt_id:1"}));
}

TEST_P(ReaderTest, AttemptsEndAtTheFirstGap) {
  auto states = attempts(backend_, flow_, retried_);
  ASSERT_TRUE(states.ok());
  ASSERT_EQ(states->size(), 2U);
  EXPECT_TRUE((*states)[1].done);
  ASSERT_TRUE(backend_.put("F/1/work/10/3.attempt.json", "{}").ok());
  EXPECT_EQ(attempts(backend_, flow_, retried_)->size(), 2U);
  EXPECT_EQ(attempts(backend_, flow_, {RunId{"1"}, StepName{"a/b"}, TaskId{"1"}}).error().kind, Kind::misuse);
}

TEST_P(ReaderTest, AnUnfinishedNewestAttemptIsNotReplacedByAnOlderOne) {
  EXPECT_EQ(manifest(backend_, flow_, retried_)->artifacts[0].name, "second");
  EXPECT_EQ(manifest(backend_, flow_, retried_, 0)->artifacts[0].name, "first");
  ASSERT_TRUE(records_.begin({retried_, 2}, {}, kNow).ok());
  auto newest = manifest(backend_, flow_, retried_);
  ASSERT_FALSE(newest.ok());
  EXPECT_EQ(newest.error().kind, Kind::missing);
  EXPECT_FALSE(newest.error().why.empty());
  EXPECT_TRUE(manifest(backend_, flow_, retried_, 1).ok());
  EXPECT_EQ(manifest(backend_, flow_, {RunId{"1"}, StepName{"work"}, TaskId{"77"}}).error().kind, Kind::missing);
}

TEST_P(ReaderTest, LatestRunIsWhatWasWritten) {
  EXPECT_EQ(*latest_run(backend_, flow_), std::nullopt);
  ASSERT_TRUE(records_.set_latest_run().ok());
  EXPECT_EQ(*latest_run(backend_, flow_), RunId{"1"});
}

TEST_P(ReaderTest, TagsOfTheRunShowEverywhere) {
  auto run = change_tags(backend_, flow_, RunId{"1"}, {"new", "user:ann"}, {"t1", "absent"}, kNow + 2s);
  ASSERT_TRUE(run.ok()) << to_text(run.error());
  EXPECT_EQ((*run)["tags"], codec::Json::array({"new"}));  // a system tag is not added again
  EXPECT_EQ((*run)["ts_epoch"], epoch_ms(kNow + 2s));
  for (const Path& path : {Path{"F", "1"}, Path{"F", "1", "work"}, Path{"F", "1", "work", "10"}, Path{"F", "1", "work", "10", "x"}}) {
    EXPECT_EQ((*reader_.get(path))["tags"], codec::Json::array({"new"}));
  }
  EXPECT_EQ((*reader_.list({"F", "1", "work"}))[0]["tags"], codec::Json::array({"new"}));
}

TEST_P(ReaderTest, TagRules) {
  const auto change = [&](const std::vector<std::string>& add, const std::vector<std::string>& remove) {
    auto run = change_tags(backend_, flow_, RunId{"1"}, add, remove, kNow);
    return run ? std::string{"ok"} : run.error().what;
  };
  EXPECT_EQ(change({}, {"user:ann"}), "Cannot remove a tag that is an existing system tag (['user:ann'])");
  EXPECT_EQ(change({""}, {}), "Tags must not be empty string");
  EXPECT_EQ(change({std::string(501, 'x')}, {}), "Tag is too long 501 > 500");
  std::string letters;
  for (int i = 0; i < 500; ++i) letters += "\xc3\xa4";
  EXPECT_EQ(change({letters}, {}), "ok");  // 500 characters, 1000 bytes
  std::vector<std::string> many;
  for (int i = 0; i < 49; ++i) many.push_back("tag" + std::to_string(i));
  EXPECT_EQ(change(many, {}), "Cannot increase size of tag set beyond 50");
  EXPECT_EQ(change(many, {"t1"}), "ok");  // removals come first
  EXPECT_EQ(change_tags(backend_, flow_, RunId{"9"}, {"a"}, {}, kNow).error().what, "Run not found (F, 9)");
}

}  // namespace
}  // namespace headrace::store
