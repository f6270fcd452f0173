#include "wire/flow_spec.h"

#include <fstream>
#include <functional>
#include <sstream>

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace headrace::wire {
namespace {

codec::Json spec_json() {
  std::ifstream file(std::string(HR_WIRE_SAMPLES) + "/flow_spec.json");
  std::stringstream text;
  text << file.rdbuf();
  auto json = codec::parse_json(text.str(), "flow_spec.json");
  HR_CHECK(json.ok());
  return *json;
}

Frame spec_frame(codec::Json body) { return {.id = 0, .body = std::move(body), .payload = "12345package"}; }

/// The error after a change to the sample.
std::string refusal(const std::function<void(codec::Json&)>& change) {
  codec::Json body = spec_json();
  change(body);
  const auto spec = parse_run_spec(spec_frame(std::move(body)));
  if (spec) return "accepted";
  EXPECT_EQ(spec.error().kind, Kind::misuse);
  EXPECT_FALSE(spec.error().next.empty());
  return spec.error().what;
}

TEST(RunSpec, SampleIsUnderstood) {
  const auto spec = parse_run_spec(spec_frame(spec_json()));
  ASSERT_TRUE(spec.ok()) << to_text(spec.error());
  EXPECT_EQ(spec->command, RunCommand::resume);
  EXPECT_EQ(spec->flow, "Sample");
  EXPECT_EQ(spec->limits.max_workers, 4);
  EXPECT_EQ(spec->graph.size(), 4u);
  const flow::Step& work = spec->graph.step(*spec->graph.find("work"));
  EXPECT_EQ(work.attempts(), 4);
  EXPECT_EQ(work.timeout_s, 90.5);
  EXPECT_EQ(work.environment.at("A"), "1");
  EXPECT_EQ(work.resources, (flow::Resources{.cpu = 2, .memory_mb = 8000}));
  ASSERT_EQ(spec->parameters.size(), 2u);
  EXPECT_EQ(spec->parameters[0].pickle, "123");
  EXPECT_EQ(spec->parameters[1].pickle, "45");
  EXPECT_EQ(spec->sysmeta.at(0).field, "python_version");
  ASSERT_TRUE(spec->resume.has_value());
  EXPECT_EQ(spec->resume->rerun, std::vector<flow::StepIndex>{*spec->graph.find("end")});
  EXPECT_FALSE(spec->run_id_file.has_value());
  ASSERT_EQ(spec->pods.size(), 1u);
  const PodSettings& pod = spec->pods.at(*spec->graph.find("gather"));
  EXPECT_EQ(pod.memory_mb, "6000.0");
  EXPECT_EQ(pod.namespace_, "ml");
  EXPECT_EQ(pod.tmpfs_size_mib, 512);
  EXPECT_EQ(spec->graph.step(*spec->graph.find("gather")).retry_wait_s, 120);
  ASSERT_TRUE(spec->pod_run.has_value());
  EXPECT_EQ(spec->pod_run->package, "package");
  EXPECT_EQ(spec->pod_run->command, (std::vector<std::string>{"sample.py", "--quiet"}));
  EXPECT_EQ(spec->pod_run->environment.at("METAFLOW_USER"), "ann");
}

TEST(RunSpec, IsReadFromAMemfd) {
  const std::string bytes = encode_frame(spec_frame(spec_json()));
  const int fd = ::memfd_create("spec", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(read_run_spec(fd).ok());
  ::close(fd);
  EXPECT_FALSE(read_run_spec(fd).ok());
}

TEST(RunSpec, RefusesWithTheNameOfTheField) {
  EXPECT_EQ(refusal([](auto& b) { b["wire"] = 2; }), "engine and SDK are of different versions");
  EXPECT_EQ(refusal([](auto& b) { b.erase("flow"); }), "the field `flow` is not there");
  EXPECT_EQ(refusal([](auto& b) { b["limits"]["max_workers"] = 0; }), "--max-workers is 0");
  EXPECT_EQ(refusal([](auto& b) { b["graph"]["steps"][0]["kind"] = "odd"; }), "step `start` is of the kind `odd`");
  EXPECT_EQ(refusal([](auto& b) { b["graph"]["steps"][0]["next"][0] = "gone"; }), "step `start` names `gone` as its next step");
  EXPECT_EQ(refusal([](auto& b) { b["graph"]["steps"][2].erase("kubernetes"); }), "step `gather` has no `kubernetes`");
  EXPECT_EQ(refusal([](auto& b) { b["graph"]["steps"][2]["kubernetes"].erase("image"); }), "the field `image` is not there");
  EXPECT_EQ(refusal([](auto& b) { b["parameters"][1]["size"] = 10; }), "the value of parameter `beta` is cut off");
  EXPECT_EQ(refusal([](auto& b) { b["parameters"][1]["size"] = 3; }), "the code package is cut off");
  EXPECT_EQ(refusal([](auto& b) { b["parameters"][1]["size"] = 1; }), "1 bytes follow after the last part of the payload");
  EXPECT_EQ(refusal([](auto& b) { b["graph"]["steps"][2]["retry_wait_s"] = -1; }), "`retry_wait_s` is -1");
  EXPECT_EQ(refusal([](auto& b) { b["pods"] = nullptr; }), "7 bytes follow after the last part of the payload");
  EXPECT_EQ(refusal([](auto& b) { b["resume"] = nullptr; }), "`resume` is there exactly for the command resume");
  EXPECT_EQ(refusal([](auto& b) { b["resume"]["rerun"] = {"what"}; }), "the flow has no step `what`");
  EXPECT_EQ(refusal([](auto& b) { b["resume"]["reentrant_as"] = "me"; }), "`reentrant_as` is there without `clone_only` and `run_id`");
  EXPECT_EQ(refusal([](auto& b) { b["init"] = {{"run_id", "r"}, {"task_id", "0"}}; }), "`init` is there exactly for the command init");
}

}  // namespace
}  // namespace headrace::wire
