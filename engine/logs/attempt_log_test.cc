#include "logs/attempt_log.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs/stored_log.h"
#include "store/directory_backend.h"
#include "store/testing/place.h"
#include "store/testing/temporary_directory.h"

namespace headrace::logs {
namespace {

namespace fs = std::filesystem;

const WallTime kTime{std::chrono::microseconds(1767323045678901)};

std::vector<std::string> texts(store::Backend& data, Stream stream) {
  std::vector<std::string> all;
  const StoredLog log = read_log(data, "task", 1, stream).value();
  for (const codec::LogLine& line : log.lines) all.emplace_back(line.text);
  return all;
}

AttemptLog::Settings settings(std::uint64_t bytes_max = 1 << 20) {
  return {.folder = "task", .attempt = 1, .bytes_max = bytes_max, .id_seed = 7};
}

class AttemptLogTest : public store::testing::InEachPlace {
 protected:
  AttemptLogTest() { EXPECT_TRUE(backend_.put("task/0.attempt.json", "").ok()); }
  std::string stored(Stream stream) { return *backend_.get(log_path("task", 1, "runtime", stream)); }
  std::vector<std::string> texts(Stream stream) { return logs::texts(backend_, stream); }

  loop::EventLoop loop_;
  loop::WorkerPool pool_{loop_, 2};
};

/// What a log does while the folder of its task is not there yet, and that lines in files are there at once.
class LogFilesTest : public ::testing::Test {
 protected:
  LogFilesTest() { fs::create_directory(folder_); }
  fs::path file(Stream stream) { return log_path(folder_.string(), 1, "runtime", stream); }
  std::vector<std::string> texts(Stream stream) { return logs::texts(data_, stream); }

  store::testing::TemporaryDirectory root_;
  fs::path folder_ = fs::path(root_.path()) / "task";
  store::DirectoryBackend data_{root_.path()};
  loop::EventLoop loop_;
  loop::WorkerPool pool_{loop_, 2};
};

INSTANTIATE_TEST_SUITE_P(In, AttemptLogTest, ::testing::ValuesIn(store::testing::kinds_of_places()), store::testing::name_of_kind);

TEST_P(AttemptLogTest, StoresAndShows) {
  AttemptLog log(loop_, pool_, backend_, settings());
  const std::string line = "  hello \n";
  const ShownLine shown = log.add_line(Stream::out, line, kTime);
  EXPECT_EQ(shown.text, "  hello ");
  EXPECT_EQ(shown.time, kTime);
  (void)log.add_line(Stream::err, "careful\n", kTime);
  log.add_note(Stream::err, "Task failed.", kTime);
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_THAT(stored(Stream::out),
              ::testing::MatchesRegex(R"(\[MFLOG\|0\|2026-01-02T03:04:05\.678901Z\|runtime\|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\]  hello )"
                                      "\n"));
  EXPECT_THAT(texts(Stream::err), ::testing::ElementsAre("careful", "Task failed."));
  EXPECT_TRUE(stored(Stream::err).ends_with("]Task failed."));
  EXPECT_EQ(log_size(backend_, "task", 1, Stream::err).value(), stored(Stream::err).size());
}

TEST_P(AttemptLogTest, FilesExistWhenNothingWasPrinted) {
  AttemptLog log(loop_, pool_, backend_, settings());
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_EQ(stored(Stream::out).size(), 0u);
  EXPECT_EQ(stored(Stream::err).size(), 0u);
}

TEST_F(LogFilesTest, LinesAreThereBeforeClose) {
  AttemptLog log(loop_, pool_, data_, settings());
  for (int i = 0; i < 3; ++i) {
    (void)log.add_line(Stream::out, std::to_string(i) + "\n", kTime);
    loop_.run();  // Ends when the write has ended.
    EXPECT_EQ(texts(Stream::out).size(), static_cast<std::size_t>(i + 1));
  }
}

TEST_F(LogFilesTest, AreForTheOwner) {
  AttemptLog log(loop_, pool_, data_, settings());
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_EQ(fs::status(file(Stream::out)).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(LogFilesTest, WaitsForTheFolder) {
  fs::remove(folder_);
  AttemptLog log(loop_, pool_, data_, settings());
  (void)log.add_line(Stream::out, "early\n", kTime);
  loop_.run();
  EXPECT_FALSE(fs::exists(folder_));
  fs::create_directory(folder_);
  (void)log.add_line(Stream::out, "late\n", kTime);
  loop_.run();
  EXPECT_THAT(texts(Stream::out), ::testing::ElementsAre("early", "late"));
}

TEST_F(LogFilesTest, SaysHowManyLinesAreStored) {
  fs::remove(folder_);
  AttemptLog log(loop_, pool_, data_, settings(200));
  (void)log.add_line(Stream::out, "one\n", kTime);
  (void)log.add_line(Stream::err, "two\n", kTime);
  loop_.run();
  EXPECT_EQ(log.lines_stored(), 0u) << "the folder is not there yet";
  fs::create_directory(folder_);
  (void)log.add_line(Stream::out, std::string(300, 'x') + "\n", kTime);
  EXPECT_EQ(log.lines_stored(), 0u);
  loop_.run();
  EXPECT_EQ(log.lines_stored(), 3u) << "what its bound leaves out is settled";
}

TEST_F(LogFilesTest, CloseMakesTheFolderIfNobodyDid) {
  fs::remove(folder_);
  AttemptLog log(loop_, pool_, data_, settings());
  (void)log.add_line(Stream::out, "lost otherwise\n", kTime);
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_THAT(texts(Stream::out), ::testing::ElementsAre("lost otherwise"));
}

TEST_P(AttemptLogTest, BoundsWhatIsStored) {
  AttemptLog log(loop_, pool_, backend_, settings(1000));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(log.add_line(Stream::out, std::to_string(i) + "\n", kTime).text, std::to_string(i));
  }
  log.add_note(Stream::out, "[KILLED BY ORCHESTRATOR]\n", kTime);
  (void)log.add_line(Stream::err, "the other stream has a bound of its own\n", kTime);
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  const auto stored = texts(Stream::out);
  ASSERT_GT(stored.size(), 3u);
  EXPECT_EQ(stored[stored.size() - 2], "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]");
  EXPECT_EQ(stored.back(), "[KILLED BY ORCHESTRATOR]");
  EXPECT_EQ(std::count(stored.begin(), stored.end(), "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]"), 1);
  EXPECT_EQ(texts(Stream::err).size(), 1u);
}

TEST_P(AttemptLogTest, FramedLinesAreShownWithTheirTimeAndNotStoredAgain) {
  AttemptLog log(loop_, pool_, backend_, settings());
  const std::string framed = "[MFLOG|0|2020-01-01T00:00:00.000001Z|task|x]from afar\n";
  const ShownLine shown = log.add_line(Stream::out, framed, kTime);
  EXPECT_EQ(shown.text, "from afar");
  EXPECT_EQ(codec::parse_log_line(framed).time, "2020-01-01T00:00:00.000001");
  EXPECT_NE(shown.time, kTime);
  (void)log.add_line(Stream::err, "[!" + framed, kTime);
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_EQ(stored(Stream::out), "");
  EXPECT_EQ(stored(Stream::err), framed);
}

TEST_P(AttemptLogTest, AFrameBeginsALineOfItsOwn) {
  AttemptLog log(loop_, pool_, backend_, settings());
  (void)log.add_line(Stream::err, "no newline", kTime);
  log.add_note(Stream::err, "Task failed.", kTime);
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  EXPECT_THAT(texts(Stream::err), ::testing::ElementsAre("no newline", "Task failed."));
}

TEST_F(LogFilesTest, CloseSaysWhenTheFilesAreNotWhole) {
  fs::remove(folder_);
  std::ofstream(folder_) << "a file where the folder should be";
  AttemptLog log(loop_, pool_, data_, settings());
  (void)log.add_line(Stream::out, "x\n", kTime);
  auto closed = loop_.block_on(log.close());
  ASSERT_FALSE(closed.ok());
  EXPECT_NE(closed.error().where.find(folder_.string()), std::string::npos);
}

TEST_P(AttemptLogTest, ManyLinesKeepTheirOrder) {
  AttemptLog log(loop_, pool_, backend_, settings(64 << 20));
  loop_.block_on([](loop::EventLoop& loop, AttemptLog& to) -> loop::Async<void> {
    for (int i = 0; i < 10'000; ++i) {
      (void)to.add_line(Stream::out, std::to_string(i) + "\n", kTime + std::chrono::microseconds(i));
      if (i % 100 == 0) co_await loop.yield();
    }
  }(loop_, log));
  ASSERT_TRUE(loop_.block_on(log.close()).ok());
  const auto stored = texts(Stream::out);
  ASSERT_EQ(stored.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(stored[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_P(AttemptLogTest, ReadingMergesSourcesAndKeepsOldLogs) {
  ASSERT_TRUE(backend_.put("task/0.runtime_stdout.log", "[MFLOG|0|2026-01-02T03:04:05.000002Z|runtime|a]second\nloose\n").ok());
  ASSERT_TRUE(backend_.put("task/0.task_stdout.log", "[MFLOG|0|2026-01-02T03:04:05.000001Z|task|b]first\n").ok());
  ASSERT_TRUE(backend_.put("task/0.stdout.log", "of old\n").ok());
  const StoredLog log = read_log(backend_, "task", 0, Stream::out).value();
  std::vector<std::string> all;
  for (const codec::LogLine& line : log.lines) all.emplace_back(line.text);
  EXPECT_THAT(all, ::testing::ElementsAre("first", "second", "loose", "of old"));
  EXPECT_TRUE(read_log(backend_, "task", 0, Stream::err).value().lines.empty());
  EXPECT_EQ(log_size(backend_, "task", 3, Stream::out).value(), 0u);
}

TEST_P(AttemptLogTest, ScrubOverwritesWhatExists) {
  ASSERT_TRUE(backend_.put("task/0.runtime_stdout.log", "secret").ok());
  ASSERT_TRUE(backend_.put("task/0.stdout.log", "secret").ok());
  EXPECT_THAT(scrub_log(backend_, "task", 0, Stream::out).value(), ::testing::ElementsAre("runtime", "stdout"));
  EXPECT_EQ(*backend_.get("task/0.runtime_stdout.log"), "[REDACTED runtime stdout]");
  EXPECT_EQ(*backend_.get("task/0.stdout.log"), "[REDACTED stdout stdout]");
  EXPECT_FALSE(backend_.size("task/0.task_stdout.log")->has_value());
  EXPECT_TRUE(scrub_log(backend_, "task", 0, Stream::err).value().empty());
}

}  // namespace
}  // namespace headrace::logs
