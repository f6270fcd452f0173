#include "codec/mflog.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

const WallTime kTime{std::chrono::microseconds(1767323045678901)};
constexpr std::string_view kFramed = "[MFLOG|0|2026-01-02T03:04:05.678901Z|runtime|an-id]";

TEST(Mflog, WritesAndReads) {
  std::string line;
  append_log_line(line, kTime, "runtime", "an-id", "hello]|\n");
  EXPECT_EQ(line, std::string(kFramed) + "hello]|\n");
  const LogLine parsed = parse_log_line(line);
  EXPECT_TRUE(parsed.framed);
  EXPECT_FALSE(parsed.to_persist);
  EXPECT_EQ(parsed.time, "2026-01-02T03:04:05.678901");
  EXPECT_EQ(parsed.source, "runtime");
  EXPECT_EQ(parsed.id, "an-id");
  EXPECT_EQ(parsed.text, "hello]|");
  EXPECT_EQ(log_line_time(parsed), kTime);
}

TEST(Mflog, EmptyText) {
  const LogLine parsed = parse_log_line(kFramed);
  EXPECT_TRUE(parsed.framed);
  EXPECT_EQ(parsed.text, "");
}

TEST(Mflog, PersistMark) {
  const std::string line = "[!" + std::string(kFramed) + "x\n";
  const LogLine parsed = parse_log_line(line);
  EXPECT_TRUE(parsed.framed);
  EXPECT_TRUE(parsed.to_persist);
  EXPECT_EQ(parsed.text, "x");
  EXPECT_EQ(without_persist_mark(line), std::string(kFramed) + "x\n");
  EXPECT_EQ(without_persist_mark(kFramed), kFramed);
}

TEST(Mflog, WhatIsNoFrameStaysWhole) {
  for (const char* line : {"plain", "", "[MFLOG|", "[MFLOG|1|2026-01-02T03:04:05.678901Z|runtime|id]x",
                           "[MFLOG|0|yesterdayZ|runtime|id]x", "[MFLOG|0|2026-01-02T03:04:05.678901|runtime|id]x",
                           "[MFLOG|0|2026-01-02T03:04:05Z|runtime|id]x", "[MFLOG|0|2026-01-02T03:04:05.678901Z|runtime|idx",
                           "[MFLOG|0|2026-01-02T03:04:05.678901Z|runtime|]x", "[!MFLOG|0|2026-01-02T03:04:05.678901Z|task|id]x"}) {
    const LogLine parsed = parse_log_line(std::string(line) + "\n");
    EXPECT_FALSE(parsed.framed) << line;
    EXPECT_EQ(parse_log_line(line).text, line);
    EXPECT_EQ(log_line_time(parsed), std::nullopt);
  }
}

TEST(Mflog, MergesByTimeAndPutsUnframedLast) {
  const std::string runtime =
      "loose\n"
      "[MFLOG|0|2026-01-02T03:04:05.000002Z|runtime|a]second\n"
      "[MFLOG|0|2026-01-02T03:04:05.000004Z|runtime|a]fourth";
  const std::string task =
      "[MFLOG|0|2026-01-02T03:04:05.000003Z|task|a]third\n"
      "\n"
      "[MFLOG|0|2026-01-02T03:04:05.000001Z|task|a]first\n"
      "[MFLOG|0|2026-01-02T03:04:05.000002Z|task|a]second too\n";
  std::vector<std::string> texts;
  for (const LogLine& line : merge_logs({runtime, task})) texts.emplace_back(line.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"first", "second", "second too", "third", "fourth", "loose", ""}));
}

}  // namespace
}  // namespace headrace::codec
