#include "wire/agent_report.h"

#include <gtest/gtest.h>

namespace headrace::wire {
namespace {

TEST(AgentReport, WhatIsWrittenIsReadBack) {
  const AgentReport report{.stage = "done",
                           .committed = ReportedCommit{.ok = true, .has_transition = true, .next = {"work"}, .splits = 12},
                           .exit_code = 0,
                           .peak_kb = 81'000,
                           .lines_stored = 17,
                           .trouble = Error{.kind = Kind::retry, .what = "no answer", .where = "s3", .why = "lost", .next = "again"},
                           .python_version = "3.11.7"};
  const auto again = parse_agent_report(to_text(report));
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_EQ(to_text(*again), to_text(report));
  EXPECT_EQ(again->committed->next, std::vector<std::string>{"work"});
  EXPECT_EQ(again->committed->splits, 12);
  EXPECT_EQ(again->trouble->kind, Kind::retry);
  EXPECT_EQ(again->lines_stored, 17u);
}

TEST(AgentReport, NeverLongerThanTheKubeletKeeps) {
  AgentReport report{.stage = "done", .committed = ReportedCommit{.ok = true, .has_transition = true}};
  for (int i = 0; i < 1000; ++i) report.committed->next.push_back("branch_" + std::to_string(i));
  report.trouble = Error{.what = std::string(9000, 'w'), .where = std::string(9000, '\x01'), .why = "\xE2\x82\xAC", .next = std::string(9000, 'n')};
  const std::string text = to_text(report);
  EXPECT_LE(text.size(), kReportBytesMax);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto again = parse_agent_report(text);
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_TRUE(again->committed->has_transition);
  EXPECT_TRUE(again->committed->next_left_out);
  EXPECT_FALSE(again->trouble->what.empty());
}

TEST(AgentReport, ANameThatIsNotUtf8IsNoHindrance) {
  const auto again = parse_agent_report(to_text({.stage = "done", .trouble = Error{.what = "cannot write", .where = "caf\xe9.py"}}));
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_EQ(again->trouble->what, "cannot write");
}

TEST(AgentReport, AnotherProgramsMessageIsAnError) {
  for (const char* text : {"", "Traceback", "{}", R"({"headrace_agent": 2})", "[1]"}) EXPECT_FALSE(parse_agent_report(text).ok()) << text;
}

}  // namespace
}  // namespace headrace::wire
