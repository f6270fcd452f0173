#include "agent/report_file.h"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "store/testing/temporary_directory.h"

namespace headrace::agent {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReportFile, ShorterReportLeavesNothingOfALongerOne) {
  store::testing::TemporaryDirectory folder;
  const std::string path = folder.path() + "/termination-log";
  std::ofstream{path};
  ReportFile file(path);
  ASSERT_TRUE(file.write({.stage = "running", .trouble = Error{.what = std::string(500, 'x')}}).ok());
  ASSERT_TRUE(file.write({.stage = "done", .exit_code = 3}).ok());
  const auto report = wire::parse_agent_report(content(path));
  ASSERT_TRUE(report.ok()) << to_text(report.error());
  EXPECT_EQ(report->stage, "done");
  EXPECT_EQ(report->exit_code, 3);
  EXPECT_FALSE(report->trouble);
}

TEST(ReportFile, NobodyWantsAReportWhereThereIsNoFile) {
  store::testing::TemporaryDirectory folder;
  const std::string path = folder.path() + "/none";
  EXPECT_TRUE(ReportFile(path).write({.stage = "done"}).ok());
  EXPECT_FALSE(std::ifstream(path).is_open());
}

TEST(ReportFile, FileThatCannotBeWrittenIsAnError) {
  const auto written = ReportFile("/").write({.stage = "done"});
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().where, "/");
}

}  // namespace
}  // namespace headrace::agent
