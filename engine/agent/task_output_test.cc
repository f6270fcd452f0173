#include "agent/task_output.h"

#include <gtest/gtest.h>

namespace headrace::agent {
namespace {

TEST(PodLine, IsWhatTheRunReads) {
  std::string out;
  append_pod_line(out, 1, logs::Stream::out, WallTime(1767323045678901us), "hello | world");
  append_pod_line(out, 12, logs::Stream::err, WallTime(1767323045000000us), "");
  EXPECT_EQ(out, "HR|1|o|2026-01-02T03:04:05.678901Z|hello | world\nHR|12|e|2026-01-02T03:04:05.000000Z|\n");
}

}  // namespace
}  // namespace headrace::agent
