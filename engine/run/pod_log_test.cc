#include "run/pod_log.h"

#include <gtest/gtest.h>

#include "codec/mflog.h"
#include "store/directory_backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::run {
namespace {

WallTime at(int microseconds) { return WallTime(std::chrono::seconds(1'767'323'045) + std::chrono::microseconds(microseconds)); }

std::vector<std::string> texts(store::Backend& data, const std::string& key) {
  std::vector<std::string> found;
  const auto file = data.get(key);
  if (!file) return found;
  for (const codec::LogLine& line : codec::parse_log(*file)) found.emplace_back(line.text);
  return found;
}

using Texts = std::vector<std::string>;

TEST(PodLog, OnlyWhatComesAfterTheStoredLinesIsAdded) {
  store::testing::TemporaryDirectory folder;
  store::DirectoryBackend data(folder.path());
  std::string stored;
  codec::append_log_line(stored, at(1), "task", "x", "one\n");
  codec::append_log_line(stored, at(2), "task", "x", "same time\n");
  ASSERT_TRUE(data.put("F/1/a/1/0.task_stdout.log", stored).ok());
  PodLog log;
  log.output(false, at(1), 1, "one");
  log.output(false, at(2), 2, "same time");
  log.output(false, at(2), 3, "same time");
  log.output(true, at(3), 4, "an error");
  log.output(false, at(4), 5, "last");
  log.output(true, at(5), std::nullopt, "the bootstrap's");
  ASSERT_TRUE(log.store(data, "F/1/a/1", 0, 1'000'000, 1).ok());
  EXPECT_EQ(texts(data, "F/1/a/1/0.task_stdout.log"), (Texts{"one", "same time", "same time", "last"}));
  EXPECT_EQ(texts(data, "F/1/a/1/0.task_stderr.log"), Texts{"an error"});
  // Done again, nothing changes.
  ASSERT_TRUE(log.store(data, "F/1/a/1", 0, 1'000'000, 2).ok());
  EXPECT_EQ(texts(data, "F/1/a/1/0.task_stderr.log"), Texts{"an error"});
}

TEST(PodLog, AStoredLogDoesNotGrowOverItsBound) {
  store::testing::TemporaryDirectory folder;
  store::DirectoryBackend data(folder.path());
  PodLog log;
  for (int i = 0; i < 100; ++i) log.output(false, at(i), i + 1, std::string(100, 'x'));
  ASSERT_TRUE(log.store(data, "F/1/a/1", 0, 1000, 1).ok());
  const Texts found = texts(data, "F/1/a/1/0.task_stdout.log");
  ASSERT_LT(found.size(), 10u);
  EXPECT_EQ(found.back(), "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]");
}

}  // namespace
}  // namespace headrace::run
