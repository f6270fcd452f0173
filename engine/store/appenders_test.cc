#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "store/directory_backend.h"
#include "store/testing/faulty_backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

namespace fs = std::filesystem;

/// Over a file, and over a backend that can only put whole objects.
class Appenders : public ::testing::TestWithParam<bool> {
 protected:
  Backend& backend() { return GetParam() ? static_cast<Backend&>(whole_) : files_; }
  std::string stored(const std::string& key) { return files_.get(key).value(); }

  testing::TemporaryDirectory directory_;
  DirectoryBackend files_{directory_.path() + "/root"};
  testing::FaultyBackend whole_{files_};
};

TEST_P(Appenders, TheObjectGrowsAndTakesTheBytes) {
  ASSERT_TRUE(files_.put("a/b/other", "").ok());
  auto log = backend().appender("a/b/log");
  std::string expected;
  for (const char* text : {"one\n", "two\n", "", "three\n"}) {
    std::string bytes = text;
    expected += text;
    ASSERT_TRUE(log->append(bytes).ok());
    EXPECT_EQ(bytes, "");
    EXPECT_EQ(stored("a/b/log"), expected);
  }
  std::string last = "end";
  ASSERT_TRUE(log->finish(last).ok());
  EXPECT_EQ(last, "");
  EXPECT_EQ(stored("a/b/log"), expected + "end");
}

TEST_P(Appenders, FinishMakesAnEmptyObjectAndItsDirectory) {
  auto log = backend().appender("a/b/log");
  std::string nothing;
  ASSERT_TRUE(log->append(nothing).ok());
  EXPECT_FALSE(files_.size("a/b/log")->has_value());
  ASSERT_TRUE(log->finish(nothing).ok());
  EXPECT_EQ(stored("a/b/log"), "");
}

TEST_P(Appenders, WhatCouldNotBeStoredStaysWithTheCaller) {
  ASSERT_TRUE(files_.put("a/b", "a file where the directory should be").ok());
  auto log = backend().appender("a/b/log");
  std::string bytes = "line\n";
  auto failed = log->finish(bytes);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().what.find(directory_.path()), std::string::npos);
  EXPECT_EQ(bytes, "line\n");
  ASSERT_TRUE(files_.remove("a/b").ok());
  ASSERT_TRUE(log->finish(bytes).ok());
  EXPECT_EQ(stored("a/b/log"), "line\n");
}

TEST_P(Appenders, WhatAnEarlierProcessLeftStays) {
  ASSERT_TRUE(files_.put("a/b/log", "of a lost try\n").ok());
  std::string bytes = "one\n";
  auto log = backend().appender("a/b/log");
  ASSERT_TRUE(log->append(bytes).ok());
  EXPECT_EQ(stored("a/b/log"), "of a lost try\none\n");
  bytes = "two\n";
  ASSERT_TRUE(log->finish(bytes).ok());
  EXPECT_EQ(stored("a/b/log"), "of a lost try\none\ntwo\n");
  ASSERT_TRUE(backend().appender("a/b/log")->finish(bytes).ok());
  EXPECT_EQ(stored("a/b/log"), "of a lost try\none\ntwo\n");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Appenders, ::testing::Bool(),
                         [](const auto& kind) { return std::string(kind.param ? "WholeObjects" : "Files"); });

TEST(FileAppender, WaitsForItsDirectoryAndHasNoPause) {
  testing::TemporaryDirectory directory;
  DirectoryBackend files{directory.path()};
  auto log = files.appender("task/log");
  std::string bytes = "early\n";
  ASSERT_TRUE(log->append(bytes).ok());
  EXPECT_EQ(bytes, "early\n");
  EXPECT_FALSE(fs::exists(directory.path() + "/task"));
  fs::create_directory(directory.path() + "/task");
  bytes += "late\n";
  ASSERT_TRUE(log->append(bytes).ok());
  EXPECT_EQ(files.get("task/log").value(), "early\nlate\n");
  EXPECT_EQ(log->pause(), Duration::zero());
}

TEST(WholeAppender, IsPacedByItsSizeAndPutsNothingTwice) {
  testing::TemporaryDirectory directory;
  DirectoryBackend files{directory.path()};
  testing::FaultyBackend whole{files};
  auto log = whole.appender("task/log");
  const Duration first = log->pause();
  EXPECT_GT(first, Duration::zero());
  std::string bytes(16 << 20, 'x');
  ASSERT_TRUE(log->append(bytes).ok());
  EXPECT_GT(log->pause(), first);
  const int puts = whole.operations();
  ASSERT_TRUE(log->finish(bytes).ok());
  EXPECT_EQ(whole.operations(), puts);
}

TEST(WholeAppender, APutThatSeemedToFailIsNotStoredTwice) {
  testing::TemporaryDirectory directory;
  DirectoryBackend files{directory.path()};
  testing::FaultyBackend whole{files, 1};
  auto log = whole.appender("task/log");
  std::string bytes = "one\n";
  ASSERT_FALSE(log->append(bytes).ok());
  ASSERT_TRUE(files.put("task/log", bytes).ok());
  whole.mend();
  bytes += "two\n";
  ASSERT_TRUE(log->append(bytes).ok());
  EXPECT_EQ(files.get("task/log").value(), "one\ntwo\n");
}

}  // namespace
}  // namespace headrace::store
