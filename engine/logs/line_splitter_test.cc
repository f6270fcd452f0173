#include "logs/line_splitter.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace headrace::logs {
namespace {

std::vector<std::string> split(std::string_view bytes, std::size_t piece, std::size_t line_bytes_max = kLogLineBytesMax) {
  LineSplitter splitter(line_bytes_max);
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) splitter.feed(bytes.substr(0, piece), take);
  splitter.finish(take);
  return lines;
}

TEST(LineSplitter, PiecesDoNotMatter) {
  const std::string bytes = "one\n\nthree \xff\n" + std::string("a\0b\n", 4) + "last";
  const std::vector<std::string> lines = {"one\n", "\n", "three \xff\n", std::string("a\0b\n", 4), "last"};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) EXPECT_EQ(split(bytes, piece), lines) << piece;
}

TEST(LineSplitter, NothingIsNoLine) {
  EXPECT_TRUE(split("", 1).empty());
  EXPECT_EQ(split("a\n", 1), (std::vector<std::string>{"a\n"}));
}

TEST(LineSplitter, ALineBeyondTheBoundIsCut) {
  for (std::size_t piece = 1; piece < 16; ++piece) {
    const auto lines = split("abcdefghij\nxy\n", piece, 4);
    std::string joined;
    for (const std::string& line : lines) {
      EXPECT_LE(line.size(), 5u);
      EXPECT_TRUE(line.ends_with('\n'));
      joined += line.substr(0, line.size() - 1);
    }
    EXPECT_EQ(joined, "abcdefghijxy") << piece;
  }
}

TEST(LineSplitter, ALineAsLongAsTheBoundIsWholeWhereverThePiecesEnd) {
  const std::vector<std::string> lines = {"abcd\n", "\n", "efgh\n", "ijkl"};
  for (std::size_t piece = 1; piece < 16; ++piece) EXPECT_EQ(split("abcd\n\nefgh\nijkl", piece, 4), lines) << piece;
}

TEST(LineSplitter, ALineOfTenMegabytesStaysOne) {
  const std::string line(10'000'000, 'x');
  const auto lines = split(line + "\nend", 65536);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], line + "\n");
}

}  // namespace
}  // namespace headrace::logs
