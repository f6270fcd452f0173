#include "store/local_metadata.h"

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/tar.h"
#include "store/blob_store.h"
#include "store/directory_backend.h"
#include "store/reader.h"
#include "store/run_records.h"
#include "store/testing/place.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

const FlowName kFlow("F");
const AttemptPath kAttempt{.task = {.run = RunId("1"), .step = StepName("work"), .task = TaskId("3")}, .attempt = 0};

class LocalMetadata : public testing::InEachPlace {
 protected:
  /// As an agent does it, with metadata of its own.
  void run_attempt(AttemptPath attempt = kAttempt) {
    RunRecords records(data_, there_, identity_);
    ASSERT_TRUE(RunRecords::register_run(there_, identity_, WallTime(1s)).ok());
    ASSERT_TRUE(records.begin(attempt, {{.name = "user", .type = "user", .value = "ann"}}, WallTime(2s)).ok());
    Manifest manifest;
    manifest.set(Artifact{.name = "x", .key = BlobKey(std::string(40, 'a')), .size = 1, .type = "t", .encoding = "pickle-v4"});
    ASSERT_TRUE(records.finish(attempt, manifest, true, {}, WallTime(3s)).ok());
    ASSERT_TRUE(store_local_metadata(data_, there_, kFlow, attempt, WallTime(4s)).ok());
  }

  testing::TemporaryDirectory folder_;
  RunIdentity identity_{.flow = kFlow, .run = RunId("1"), .user = "ann", .tags = {}, .system_tags = {}};
  Backend& data_ = backend_;
  DirectoryBackend there_{folder_.path() + "/there"};
  DirectoryBackend here_{folder_.path() + "/here"};
};

INSTANTIATE_TEST_SUITE_P(In, LocalMetadata, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(LocalMetadata, RecordsOfAnAttemptArriveElsewhere) {
  run_attempt();
  const auto fetched = fetch_local_metadata(data_, here_, kFlow, kAttempt);
  ASSERT_TRUE(fetched.ok()) << to_text(fetched.error());
  EXPECT_TRUE(*fetched);
  for (const char* folder : {"F/1/work/3/_meta", "F/1/work/_meta"}) {
    const auto there = there_.list(folder);
    const auto here = here_.list(folder);
    ASSERT_EQ(here->size(), there->size());
    ASSERT_FALSE(here->empty());
    for (const auto& entry : *there) {
      const std::string key = std::string(folder) + "/" + entry.name;
      EXPECT_EQ(*here_.get(key), *there_.get(key)) << key;
    }
  }
  EXPECT_FALSE(*here_.size("F/1/_meta/_self.json")) << "the run's own record is the run's";
}

TEST_P(LocalMetadata, WhatIsThereStays) {
  run_attempt();
  ASSERT_TRUE(here_.put("F/1/work/3/_meta/_self.json", "mine").ok());
  ASSERT_TRUE(*fetch_local_metadata(data_, here_, kFlow, kAttempt));
  ASSERT_TRUE(*fetch_local_metadata(data_, here_, kFlow, kAttempt));
  EXPECT_EQ(*here_.get("F/1/work/3/_meta/_self.json"), "mine");
  EXPECT_TRUE(*here_.size("F/1/work/3/_meta/0_artifact_x.json"));
}

TEST_P(LocalMetadata, AttemptThatStoredNoneIsNoError) {
  const auto fetched = fetch_local_metadata(data_, here_, kFlow, kAttempt);
  ASSERT_TRUE(fetched.ok());
  EXPECT_FALSE(*fetched);
}

TEST_P(LocalMetadata, OtherRecordsAreLeftOutAndDamageIsNamed) {
  std::string archive;
  codec::TarWriter writer;
  writer.add(".metaflow/F/1/_meta/_self.json", "run", 0, archive);
  writer.add(".metaflow/F/2/work/3/_meta/_self.json", "other", 0, archive);
  writer.add(".metaflow/F/1/work/3/_meta/_self.json", "task", 0, archive);
  writer.finish(archive);
  BlobStore blobs(data_, kFlow);
  const auto put = [&](const std::string& blob) {
    ASSERT_TRUE(data_.put("F/1/work/3/0.local_metadata", "\"" + blobs.put_raw(blob)->str() + "\"").ok());
  };
  put(codec::gzip(archive));
  ASSERT_TRUE(*fetch_local_metadata(data_, here_, kFlow, kAttempt));
  EXPECT_EQ(*here_.get("F/1/work/3/_meta/_self.json"), "task");
  EXPECT_FALSE(*here_.size("F/1/_meta/_self.json"));
  EXPECT_FALSE(*here_.size("F/2/work/3/_meta/_self.json"));
  put(codec::gzip(archive.substr(0, 514)));
  const auto damaged = fetch_local_metadata(data_, here_, kFlow, kAttempt);
  ASSERT_FALSE(damaged.ok());
  EXPECT_NE(damaged.error().where.find("0.local_metadata"), std::string::npos);
}

}  // namespace
}  // namespace headrace::store
