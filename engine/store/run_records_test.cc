#include "store/run_records.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "store/directory_backend.h"
#include "store/reader.h"
#include "store/testing/faulty_backend.h"
#include "store/testing/place.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

namespace fs = std::filesystem;

const WallTime kNow{std::chrono::microseconds{1795709449288783}};
constexpr const char* kKey = "868436778cb011a1c6230bc12534683ab0b7f1c3";

RunIdentity identity(const std::string& run = "1") {
  return {.flow = FlowName{"TinyFlow"}, .run = RunId{run}, .user = "ann", .tags = {"t1"},
          .system_tags = {"runtime:dev", "user:ann"}, .datastore_root = "/data/.metaflow"};
}

std::vector<Field> fields() { return {{.name = "runtime", .type = "runtime", .value = "dev"}}; }

Manifest manifest(int attempt = 0) {
  Manifest result{.attempt = attempt, .python_version = "3.11.7"};
  result.set({.name = "_task_ok", .key = BlobKey{kKey}, .size = 4, .type = "<class 'bool'>", .encoding = "pickle-v4"});
  return result;
}

AttemptPath work(int attempt, const std::string& task = "3") { return {{RunId{"1"}, StepName{"work"}, TaskId{task}}, attempt}; }

class RunRecordsTest : public testing::InEachPlace {
 protected:
  std::string text(const std::string& key) {
    auto bytes = backend_.get("TinyFlow/1/" + key);
    return bytes ? *bytes : "<" + to_text(bytes.error()) + ">";
  }
  std::set<std::string> files(const std::string& below) {
    std::set<std::string> found;
    const auto entries = backend_.list("TinyFlow/1/" + below);
    for (const Backend::Entry& entry : *entries) {
      if (!entry.directory) found.insert(entry.name);
      if (entry.directory) {
        for (const std::string& name : files(below + "/" + entry.name)) found.insert(entry.name + "/" + name);
      }
    }
    return found;
  }

  RunRecords records_{backend_, backend_, identity()};
};

INSTANTIATE_TEST_SUITE_P(In, RunRecordsTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(RunRecordsTest, RunIdsAreMicrosecondsAndNeverTwiceTheSame) {
  auto first = RunRecords::new_run(backend_, identity(), kNow);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->str(), "1795709449288783");
  EXPECT_EQ(*backend_.get("TinyFlow/_meta/_self.json"), R"({"flow_id": "TinyFlow", "ts_epoch": 1795709449288})");
  EXPECT_EQ(*backend_.get("TinyFlow/1795709449288783/_meta/_self.json"),
            R"({"run_number": "1795709449288783", "flow_id": "TinyFlow", "user_name": "ann", "tags": ["t1"], )"
            R"("system_tags": ["runtime:dev", "user:ann"], "ts_epoch": 1795709449288})");
  std::vector<std::string> ids(8);
  {
    std::vector<std::jthread> runs;
    for (std::string& id : ids) {
      runs.emplace_back([&] { id = RunRecords::new_run(backend_, identity(), kNow).value().str(); });
    }
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(std::count(ids.begin(), ids.end(), first->str()), 0);
}

TEST_P(RunRecordsTest, ARunWithAGivenIdIsRegisteredOnce) {
  ASSERT_TRUE(RunRecords::register_run(backend_, identity("argo-x"), kNow).ok());
  const std::string before = *backend_.get("TinyFlow/argo-x/_meta/_self.json");
  ASSERT_TRUE(RunRecords::register_run(backend_, identity("argo-x"), kNow + 1s).ok());
  EXPECT_EQ(*backend_.get("TinyFlow/argo-x/_meta/_self.json"), before);
  EXPECT_EQ(RunRecords::register_run(backend_, identity("../x"), kNow).error().kind, Kind::misuse);
}

TEST_P(RunRecordsTest, AnAttemptHasMetaflowsFiles) {
  ASSERT_TRUE(records_.begin(work(0), fields(), kNow).ok());
  EXPECT_EQ(files("work"), (std::set<std::string>{
                               "_meta/_self.json", "3/0.attempt.json", "3/0.task_begin", "3/_meta/_self.json",
                               "3/_meta/sysmeta_runtime_1795709449288.json", "3/_meta/sysmeta_attempt_1795709449288.json",
                               "3/_meta/sysmeta_origin-run-id_1795709449288.json", "3/_meta/sysmeta_ds-type_1795709449288.json",
                               "3/_meta/sysmeta_ds-root_1795709449288.json"}));
  EXPECT_EQ(text("work/3/0.attempt.json"), R"({"time": 1795709449.288783})");
  EXPECT_EQ(text("work/3/0.task_begin"),
            R"({"code_package_metadata": "", "code_package_sha": null, "code_package_ds": null, "code_package_url": null, "retry_count": 0})");
  EXPECT_EQ(text("work/_meta/_self.json"),
            R"({"run_number": "1", "step_name": "work", "flow_id": "TinyFlow", "user_name": "ann", "tags": ["t1"], )"
            R"("system_tags": ["runtime:dev", "user:ann"], "ts_epoch": 1795709449288})");
  EXPECT_EQ(text("work/3/_meta/sysmeta_ds-root_1795709449288.json"),
            R"({"flow_id": "TinyFlow", "run_number": "1", "step_name": "work", "task_id": "3", "field_name": "ds-root", )"
            R"("type": "ds-root", "value": "/data/.metaflow", "tags": ["attempt_id:0"], "user_name": "ann", "ts_epoch": 1795709449288})");

  ASSERT_TRUE(records_.finish(work(0), manifest(), true, {}, kNow + 5ms).ok());
  ASSERT_TRUE(records_.ended(work(0), {.return_code = -9, .killed = true, .success = false}).ok());
  EXPECT_EQ(text("work/3/0.data.json"), to_json(manifest()));
  EXPECT_EQ(text("work/3/0.DONE.lock"), "\"\"");
  EXPECT_EQ(text("work/3/0.task_end"), "{}");
  EXPECT_EQ(text("work/3/0.runtime"), R"({"return_code": -9, "killed": true, "success": false})");
  EXPECT_EQ(text("work/3/_meta/0_artifact__task_ok.json"),
            R"({"run_number": "1", "step_name": "work", "task_id": "3", "attempt_id": 0, "name": "_task_ok", )"
            R"("content_type": "pickle-v4", "type": "metaflow.artifact", "sha": "868436778cb011a1c6230bc12534683ab0b7f1c3", )"
            R"("ds_type": "local", "location": ":root:/data/.metaflow", "flow_id": "TinyFlow", "user_name": "ann", "tags": ["t1"], )"
            R"("system_tags": ["runtime:dev", "user:ann"], "ts_epoch": 1795709449293})");
  EXPECT_NE(text("work/3/_meta/sysmeta_attempt_ok_1795709449293.json").find(R"("type": "internal_attempt_status", "value": "True")"),
            std::string::npos);
}

TEST_P(RunRecordsTest, ASecondAttemptKeepsTheTasksRecord) {
  ASSERT_TRUE(records_.begin(work(0), fields(), kNow).ok());
  const std::string self = text("work/3/_meta/_self.json");
  ASSERT_TRUE(records_.begin(work(1), fields(), kNow + 1s).ok());
  EXPECT_EQ(text("work/3/_meta/_self.json"), self);
  ASSERT_TRUE(records_.begin(work(1, "4"), fields(), kNow).ok());  // the first attempt never began
  EXPECT_EQ(files("work/4").count("_meta/_self.json"), 1U);
}

TEST_P(RunRecordsTest, TheFirstToFinishIsTheResult) {
  ASSERT_TRUE(records_.begin(work(0), fields(), kNow).ok());
  ASSERT_TRUE(records_.finish(work(0), manifest(), true, {}, kNow).ok());
  Manifest other = manifest();
  other.set({.name = "late", .key = BlobKey{kKey}});
  auto late = records_.finish(work(0), other, false, {}, kNow + 1s);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind, Kind::misuse);
  EXPECT_EQ(text("work/3/0.data.json"), to_json(manifest()));
  EXPECT_EQ(files("work/3").count("_meta/0_artifact_late.json"), 0U);
}

TEST_P(RunRecordsTest, FieldsOfOneNameKeepAllTheirValues) {
  ASSERT_TRUE(records_.begin(work(0), {}, kNow).ok());
  const Field twice{.name = "card", .type = "card-info", .value = codec::Json::array({"a=1"}), .tags = {"x"}};
  ASSERT_TRUE(records_.add_fields(work(0), {twice, twice}, kNow).ok());
  EXPECT_NE(text("work/3/_meta/sysmeta_card_1795709449288.json").find(R"("value": ["a=1"], "tags": ["attempt_id:0", "x"])"),
            std::string::npos);
  EXPECT_EQ(files("work/3/_meta").count("sysmeta_card_1795709449289.json"), 1U);
  EXPECT_EQ(records_.add_fields(work(0), {{.name = "../../x", .type = "t", .value = "v"}}, kNow).error().kind, Kind::misuse);
}

TEST_P(RunRecordsTest, ParametersAndClonesAppearWhole) {
  const std::vector<Field> graph = {{.name = "end_step", .type = "graph_structure", .value = "end", .of_attempt = false}};
  ASSERT_TRUE(records_.parameters(TaskId{"0"}, manifest(), graph, kNow).ok());
  EXPECT_EQ(files("_parameters/0"),
            (std::set<std::string>{"0.attempt.json", "0.data.json", "0.DONE.lock", "_meta/_self.json", "_meta/0_artifact__task_ok.json",
                                   "_meta/sysmeta_end_step_1795709449288.json", "_meta/sysmeta_attempt-done_1795709449288.json"}));
  EXPECT_NE(text("_parameters/0/_meta/sysmeta_end_step_1795709449288.json").find(R"("tags": [])"), std::string::npos);
  ASSERT_TRUE(records_.resume_done(TaskId{"0"}).ok());
  EXPECT_EQ(text("_parameters/0/_resume_done"), "true");
  EXPECT_TRUE(*records_.is_resume_done(TaskId{"0"}));
  EXPECT_FALSE(*records_.is_resume_done(TaskId{"1"}));

  const TaskPath origin{RunId{"0"}, StepName{"work"}, TaskId{"8"}};
  ASSERT_TRUE(records_.clone(work(0).task, origin, manifest(2), fields(), kNow).ok());
  const std::set<std::string> cloned = files("work/3");
  for (const char* file : {"0.attempt.json", "0.data.json", "0.DONE.lock"}) EXPECT_EQ(cloned.count(file), 1U) << file;
  EXPECT_EQ(cloned.count("0.task_begin") + cloned.count("0.task_end") + cloned.count("0.runtime"), 0U);
  EXPECT_EQ(text("work/3/0.data.json"), to_json(manifest(0)));
  EXPECT_NE(text("work/3/_meta/sysmeta_origin-task-id_1795709449288.json").find(R"("value": "8")"), std::string::npos);
  EXPECT_NE(text("work/3/_meta/sysmeta_origin-run-id_1795709449288.json").find(R"("value": "0")"), std::string::npos);

  const TaskPath parameters{RunId{"1"}, StepName{"_parameters"}, TaskId{"5"}};
  ASSERT_TRUE(records_.clone(parameters, origin, manifest(), {}, kNow).ok());
  EXPECT_EQ(files("_parameters/5/_meta"),
            (std::set<std::string>{"_self.json", "0_artifact__task_ok.json", "sysmeta_attempt-done_1795709449288.json"}));
}

TEST_P(RunRecordsTest, TheFirstOfSeveralLeadsAResume) {
  const TaskId task{"0"};
  EXPECT_EQ(*records_.resume_leader(task, "a \"b\""), "a \"b\"");
  EXPECT_EQ(*records_.resume_leader(task, "c"), "a \"b\"");
  EXPECT_EQ(*records_.resume_leader(task, "a \"b\""), "a \"b\"");
}

TEST_P(RunRecordsTest, SeparateRootsGetTheirParts) {
  testing::TemporaryDirectory directory;
  DirectoryBackend meta{directory.path()};
  RunRecords records{backend_, meta, identity()};
  ASSERT_TRUE(records.begin(work(0), fields(), kNow).ok());
  ASSERT_TRUE(records.finish(work(0), manifest(), true, {}, kNow).ok());
  EXPECT_EQ(files("work/3"), (std::set<std::string>{"0.attempt.json", "0.task_begin", "0.data.json", "0.task_end", "0.DONE.lock"}));
  EXPECT_TRUE(meta.size("TinyFlow/1/work/3/_meta/0_artifact__task_ok.json")->has_value());
}

/// A reader at any moment sees whole files, an attempt that is done has all its records, and metadata is of known tasks.
void expect_consistent(const std::string& root) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string();
    ASSERT_EQ(path.find("/.hr-"), std::string::npos) << path;
    if (entry.is_directory() || !path.ends_with(".json")) continue;
    std::ifstream file{path};
    std::stringstream bytes;
    bytes << file.rdbuf();
    EXPECT_TRUE(codec::parse_json(bytes.str(), path).ok()) << path;
  }
  const fs::path task = fs::path{root} / "TinyFlow/1/work/3";
  if (fs::exists(task)) {
    EXPECT_TRUE(fs::exists(task / "_meta/_self.json"));
    EXPECT_TRUE(fs::exists(task / "0.attempt.json"));
    EXPECT_TRUE(fs::exists(task.parent_path() / "_meta/_self.json"));
  }
  if (fs::exists(task / "0.DONE.lock")) {
    EXPECT_TRUE(fs::exists(task / "0.data.json"));
    EXPECT_TRUE(fs::exists(task / "_meta/0_artifact__task_ok.json"));
    EXPECT_TRUE(fs::exists(task / "0.task_end"));
  }
}

TEST(RunRecords, ACrashAtAnyWriteLeavesNothingHalf) {
  testing::TemporaryDirectory directory;
  DirectoryBackend backend{directory.path()};
  int clean_at = 0;
  for (int fail_at = 1; clean_at == 0; ++fail_at) {
    ASSERT_LT(fail_at, 200);
    fs::remove_all(directory.path() + "/TinyFlow");
    testing::FaultyBackend faulty{backend, fail_at};
    RunRecords records{faulty, faulty, identity()};
    const auto whole = [&]() -> Result<void> {
      HR_TRY(RunRecords::register_run(faulty, identity(), kNow));
      HR_TRY(records.parameters(TaskId{"0"}, manifest(), {}, kNow));
      HR_TRY(records.begin(work(0), fields(), kNow));
      HR_TRY(records.finish(work(0), manifest(), true, {}, kNow));
      HR_TRY(records.ended(work(0), {}));
      return records.set_latest_run();
    };
    const bool ok = whole().ok();
    EXPECT_EQ(ok, !faulty.failed());
    SCOPED_TRACE(fail_at);
    if (fs::exists(directory.path() + "/TinyFlow")) expect_consistent(directory.path());
    auto states = attempts(backend, FlowName{"TinyFlow"}, work(0).task);
    ASSERT_TRUE(states.ok());
    if (ok) {
      clean_at = fail_at;
      ASSERT_EQ(states->size(), 1U);
      EXPECT_TRUE(states->front().done);
    }
  }
  EXPECT_GT(clean_at, 10);
}

}  // namespace
}  // namespace headrace::store
