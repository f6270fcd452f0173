#include "store/local_metadata.h"

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/tar.h"
#include "store/blob_store.h"
#include "store/directory_backend.h"
#include "store/reader.h"
#include "store/run_records.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

const FlowName kFlow("F");
const AttemptPath kAttempt{.task = {.run = RunId("1"), .step = StepName("work"), .task = TaskId("3")}, .attempt = 0};

struct World {
  World() { identity = {.flow = kFlow, .run = RunId("1"), .user = "ann", .tags = {}, .system_tags = {}}; }
  /// As an agent does it, with metadata of its own.
  void run_attempt(AttemptPath attempt = kAttempt) {
    RunRecords records(data, there, identity);
    ASSERT_TRUE(RunRecords::register_run(there, identity, WallTime(1s)).ok());
    ASSERT_TRUE(records.begin(attempt, {{.name = "user", .type = "user", .value = "ann"}}, WallTime(2s)).ok());
    Manifest manifest;
    manifest.set(Artifact{.name = "x", .key = BlobKey(std::string(40, 'a')), .size = 1, .type = "t", .encoding = "pickle-v4"});
    ASSERT_TRUE(records.finish(attempt, manifest, true, {}, WallTime(3s)).ok());
    ASSERT_TRUE(store_local_metadata(data, there, kFlow, attempt, WallTime(4s)).ok());
  }

  testing::TemporaryDirectory folder;
  RunIdentity identity;
  DirectoryBackend data{folder.path() + "/data"};
  DirectoryBackend there{folder.path() + "/there"};
  DirectoryBackend here{folder.path() + "/here"};
};

TEST(LocalMetadata, RecordsOfAnAttemptArriveElsewhere) {
  World world;
  world.run_attempt();
  const auto fetched = fetch_local_metadata(world.data, world.here, kFlow, kAttempt);
  ASSERT_TRUE(fetched.ok()) << to_text(fetched.error());
  EXPECT_TRUE(*fetched);
  for (const char* folder : {"F/1/work/3/_meta", "F/1/work/_meta"}) {
    const auto there = world.there.list(folder);
    const auto here = world.here.list(folder);
    ASSERT_EQ(here->size(), there->size());
    ASSERT_FALSE(here->empty());
    for (const auto& entry : *there) {
      const std::string key = std::string(folder) + "/" + entry.name;
      EXPECT_EQ(*world.here.get(key), *world.there.get(key)) << key;
    }
  }
  EXPECT_FALSE(*world.here.size("F/1/_meta/_self.json")) << "the run's own record is the run's";
}

TEST(LocalMetadata, WhatIsThereStays) {
  World world;
  world.run_attempt();
  ASSERT_TRUE(world.here.put("F/1/work/3/_meta/_self.json", "mine").ok());
  ASSERT_TRUE(*fetch_local_metadata(world.data, world.here, kFlow, kAttempt));
  ASSERT_TRUE(*fetch_local_metadata(world.data, world.here, kFlow, kAttempt));
  EXPECT_EQ(*world.here.get("F/1/work/3/_meta/_self.json"), "mine");
  EXPECT_TRUE(*world.here.size("F/1/work/3/_meta/0_artifact_x.json"));
}

TEST(LocalMetadata, AttemptThatStoredNoneIsNoError) {
  World world;
  const auto fetched = fetch_local_metadata(world.data, world.here, kFlow, kAttempt);
  ASSERT_TRUE(fetched.ok());
  EXPECT_FALSE(*fetched);
}

TEST(LocalMetadata, OtherRecordsAreLeftOutAndDamageIsNamed) {
  World world;
  std::string archive;
  codec::TarWriter writer;
  writer.add(".metaflow/F/1/_meta/_self.json", "run", 0, archive);
  writer.add(".metaflow/F/2/work/3/_meta/_self.json", "other", 0, archive);
  writer.add(".metaflow/F/1/work/3/_meta/_self.json", "task", 0, archive);
  writer.finish(archive);
  BlobStore blobs(world.data, kFlow);
  const auto put = [&](const std::string& blob) {
    ASSERT_TRUE(world.data.put("F/1/work/3/0.local_metadata", "\"" + blobs.put_raw(blob)->str() + "\"").ok());
  };
  put(codec::gzip(archive));
  ASSERT_TRUE(*fetch_local_metadata(world.data, world.here, kFlow, kAttempt));
  EXPECT_EQ(*world.here.get("F/1/work/3/_meta/_self.json"), "task");
  EXPECT_FALSE(*world.here.size("F/1/_meta/_self.json"));
  EXPECT_FALSE(*world.here.size("F/2/work/3/_meta/_self.json"));
  put(codec::gzip(archive.substr(0, 514)));
  const auto damaged = fetch_local_metadata(world.data, world.here, kFlow, kAttempt);
  ASSERT_FALSE(damaged.ok());
  EXPECT_NE(damaged.error().where.find("0.local_metadata"), std::string::npos);
}

}  // namespace
}  // namespace headrace::store
