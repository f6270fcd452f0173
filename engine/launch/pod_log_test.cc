#include "launch/pod_log.h"

#include <gtest/gtest.h>

#include "codec/timestamp.h"

namespace headrace::launch {
namespace {

constexpr const char* kTime = "2026-01-02T03:04:05.678901Z";

std::string framed(int seq, const std::string& text, char stream = 'o') {
  return "HR|" + std::to_string(seq) + "|" + stream + "|" + kTime + "|" + text + "\n";
}

/// The texts given for some bytes; numbered ones with their number.
std::vector<std::string> texts(const std::vector<PodLine>& lines) {
  std::vector<std::string> all;
  for (const PodLine& line : lines) {
    all.push_back((line.seq ? std::to_string(*line.seq) + ":" : std::string()) + std::string(line.text));
  }
  return all;
}

using Texts = std::vector<std::string>;

TEST(PodLine, ReadsTheFrame) {
  PodLine line = parse_pod_line("HR|17|o|2026-01-02T03:04:05.678901Z|a|b");
  EXPECT_EQ(line.seq, 17u);
  EXPECT_FALSE(line.err);
  EXPECT_EQ(line.when, codec::from_iso(kTime));
  EXPECT_EQ(line.text, "a|b");
  EXPECT_TRUE(parse_pod_line("HR|1|e|2026-01-02T03:04:05.678901Z|").err);
}

TEST(PodLine, WhatHasNoFrameIsTextOfStderr) {
  for (const char* text : {"", "HR|", "HR|x|o|2026-01-02T03:04:05.678901Z|a", "HR|1|x|2026-01-02T03:04:05.678901Z|a",
                           "HR|1|o|yesterday|a", "HR|1|o|2026-01-02T03:04:05.678901Z", "Traceback (most recent call last):",
                           "HR|99999999999999999999999|o|2026-01-02T03:04:05.678901Z|a", "HR|1|o", "HR|-1|o|x|", "HR|0|o|2026-01-02T03:04:05.678901Z|a"}) {
    SCOPED_TRACE(text);
    PodLine line = parse_pod_line(text);
    EXPECT_FALSE(line.seq);
    EXPECT_TRUE(line.err);
    EXPECT_FALSE(line.when);
    EXPECT_EQ(line.text, text);
  }
}

TEST(PodLog, JoinsWhatWasCutAnywhere) {
  const std::string whole = "boot\n" + framed(1, "a") + framed(2, "") + framed(3, "c");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    PodLog log;
    Texts all = texts(log.add(std::string_view(whole).substr(0, cut)));
    for (auto& text : texts(log.add(std::string_view(whole).substr(cut)))) all.push_back(text);
    EXPECT_EQ(all, (Texts{"boot", "1:a", "2:", "3:c"}));
    EXPECT_EQ(log.last_seq(), 3u);
    EXPECT_TRUE(log.finish().empty());
  }
}

TEST(PodLog, ALineWithoutItsEndIsGivenAtTheEnd) {
  PodLog log;
  EXPECT_TRUE(log.add("killed in mid-").empty());
  EXPECT_EQ(texts(log.finish()), Texts{"killed in mid-"});
  EXPECT_TRUE(log.finish().empty());
}

TEST(PodLog, GivesEachLineOnceWhereverTheStreamBreaks) {
  const std::string whole = "boot 1\nboot 2\n" + framed(1, "a") + framed(2, "b") + "crash 1\ncrash 1\n" + framed(3, "c") + "crash 2\n";
  const Texts wanted{"boot 1", "boot 2", "1:a", "2:b", "crash 1", "crash 1", "3:c", "crash 2"};
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    // It comes again from its start, or from any numbered line that has been given.
    for (std::size_t from : {std::size_t{0}, whole.find("HR|1"), whole.find("HR|2"), whole.find("HR|3")}) {
      if (from != 0 && whole.find('\n', from) + 1 > cut) continue;
      SCOPED_TRACE(std::to_string(cut) + " " + std::to_string(from));
      PodLog log;
      Texts all = texts(log.add(std::string_view(whole).substr(0, cut)));
      log.restart();
      for (auto& text : texts(log.add(std::string_view(whole).substr(from)))) all.push_back(text);
      EXPECT_EQ(all, wanted);
    }
  }
}

TEST(PodLog, GoesOnAfterAGap) {
  PodLog log;
  (void)log.add(framed(1, "a"));
  log.restart();
  EXPECT_EQ(texts(log.add(framed(8, "h"))), Texts{"8:h"});
  EXPECT_EQ(log.last_seq(), 8u);
  EXPECT_EQ(log.last_time(), codec::from_iso(kTime));
}

TEST(PodLog, AnEndlessLineIsCutAndTheNextIsWhole) {
  PodLog log;
  const std::string longer(PodLog::kLineBytesMax + 5, 'x');
  auto lines = log.add(longer);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].text.size(), PodLog::kLineBytesMax);
  EXPECT_EQ(texts(log.add("\n" + framed(1, "a"))), (Texts{"xxxxx", "1:a"}));
}

}  // namespace
}  // namespace headrace::launch
