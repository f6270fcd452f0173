#include "agent/assignment.h"

#include <gtest/gtest.h>

namespace headrace::agent {
namespace {

TEST(Facts, PythonIsThatOfThePod) {
  wire::AgentSpec spec;
  spec.flow = "F";
  spec.run = RunId("1");
  spec.sys_version = "3.11.7 (main) [GCC 12]";
  spec.fields = {{.field = "python_version", .type = "python_version", .value = "3.11.7", .tags = {}},
                 {.field = "user", .type = "user", .value = "ann", .tags = {}}};
  const auto there = facts_of(spec, "3.9.2 (default)", "/work/.metaflow");
  EXPECT_EQ(there.sys_version, "3.9.2 (default)");
  EXPECT_EQ(there.fields.at(0).value, "3.9.2");
  EXPECT_EQ(there.fields.at(1).value, "ann");
  EXPECT_EQ(there.identity.origin_run_id, "None");
  const auto same = facts_of(spec, "", "/work/.metaflow");
  EXPECT_EQ(same.sys_version, spec.sys_version);
  EXPECT_EQ(same.fields.at(0).value, "3.11.7");
}

TEST(OtherPython, MinorVersionIsWhatMatters) {
  EXPECT_FALSE(other_python_warning("3.11.7 (main)", "3.11.2 (main)"));
  EXPECT_FALSE(other_python_warning("3.11.7 (main)", ""));
  const auto warning = other_python_warning("3.11.7 (main)", "3.9.2\n[GCC]");
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("this pod runs Python 3.9, and the run was started with Python 3.11"), std::string::npos) << *warning;
  EXPECT_NE(warning->find("image=\"python:3.11\""), std::string::npos);
}

}  // namespace
}  // namespace headrace::agent
