#include "wire/agent_spec.h"

#include <gtest/gtest.h>

namespace headrace::wire {
namespace {

AgentSpec sample() {
  AgentSpec spec;
  spec.flow = "F";
  spec.run = RunId("17");
  spec.user = "ann";
  spec.namespace_ = "user:ann";
  spec.sys_tags = {"user:ann"};
  spec.datastore_type = "s3";
  spec.datastore_root = "s3://bucket/metaflow";
  spec.sys_version = "3.11.7 (main)";
  spec.fields = {{.field = "user", .type = "user", .value = "ann", .tags = {}}};
  spec.code = {.sha = "ab", .url = "s3://bucket/metaflow/F/data/ab/ab", .metadata = "{}"};
  spec.step = StepName("work");
  spec.task = TaskId("3");
  spec.split_index = 1;
  spec.inputs = {{.run = spec.run, .step = StepName("start"), .task = TaskId("1")}};
  spec.parameters = {.run = spec.run, .step = StepName("_parameters"), .task = TaskId("0")};
  spec.command = {"-u", "f.py", "--quiet"};
  spec.environment = {{"A", "b=c\n"}};
  spec.lease_s = 900;
  return spec;
}

TaskPath input(const AgentSpec& spec, std::string step, std::string task) {
  return {.run = spec.run, .step = StepName(std::move(step)), .task = TaskId(std::move(task))};
}

TEST(AgentSpec, WhatIsWrittenIsReadBack) {
  const AgentSpec spec = sample();
  const auto again = parse_agent_spec(to_text(spec));
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_EQ(to_text(*again), to_text(spec));
  EXPECT_EQ(again->environment, spec.environment);
  EXPECT_EQ(again->fields, spec.fields);
  EXPECT_EQ(again->inputs, spec.inputs);
  EXPECT_EQ(again->parameters.str(), "17/_parameters/0");
  EXPECT_EQ(again->split_index, 1);
  EXPECT_EQ(again->lease_s, 900);
}

TEST(AgentSpec, InputsOfAJoinAreRanges) {
  AgentSpec spec = sample();
  spec.join = true;
  spec.inputs.clear();
  for (int i = 5; i < 50'005; ++i) spec.inputs.push_back(input(spec, "work", std::to_string(i)));
  spec.inputs.push_back(input(spec, "other", "50005"));
  spec.inputs.push_back(input(spec, "other", "7_node_1"));
  spec.inputs.push_back(input(spec, "other", "3"));
  const std::string text = to_text(spec);
  EXPECT_NE(text.find(R"("inputs": [["work", 5, 50000], ["other", 50005], ["other", "7_node_1"], ["other", 3]])"), std::string::npos) << text;
  const auto again = parse_agent_spec(text);
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_EQ(again->inputs, spec.inputs);
}

TEST(AgentSpec, RangeWithoutEndIsRefused) {
  std::string text = to_text(sample());
  const std::string one = R"([["start", 1]])";
  text.replace(text.find(one), one.size(), R"([["start", 1, 99999999999999]])");
  const auto spec = parse_agent_spec(text);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().what, R"(`inputs` has the item ["start", 1, 99999999999999])");
}

TEST(AgentSpec, OtherWireVersionIsRefused) {
  std::string text = to_text(sample());
  text.replace(text.find("\"wire\": 1"), 9, "\"wire\": 9");
  const auto spec = parse_agent_spec(text);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().kind, Kind::misuse);
  EXPECT_EQ(spec.error().what, "the agent and the run are of different versions");
}

TEST(AgentSpec, LongOneTravelsInPieces) {
  const std::string text(250'000, 'x');
  const auto variables = to_environment(text);
  ASSERT_EQ(variables.size(), 3u);
  for (const auto& [name, value] : variables) EXPECT_LT(name.size() + value.size(), 100'000u);
  const auto look = [&](const std::string& name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  const auto joined = spec_text_from(look);
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(*joined, text);
  EXPECT_EQ(to_environment("{}").at("HEADRACE_AGENT_SPEC"), "{}");
  const auto none = spec_text_from([](const std::string&) -> const char* { return nullptr; });
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, Kind::misuse);
}

}  // namespace
}  // namespace headrace::wire
