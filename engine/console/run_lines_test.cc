#include "console/run_lines.h"

#include <fcntl.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/check.h"

namespace headrace::console {
namespace {

int utc(WallTime) { return 0; }

/// 2026-01-02 03:04:05 UTC, and so many microseconds.
WallTime at(std::int64_t microseconds) {
  return WallTime(std::chrono::seconds(1767323045) + std::chrono::microseconds(microseconds));
}

/// What was written so far to a pipe.
std::string read_all(int fd) {
  std::string text;
  char buffer[65536];
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

class Piped : public testing::Test {
 protected:
  Piped() {
    HR_CHECK(::pipe(ends_) == 0);
    out_.emplace(ends_[1]);
    lines_.emplace(*out_, utc);
  }
  ~Piped() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  std::string written() {
    lines_->flush();
    return read_all(ends_[0]);
  }

  int ends_[2];
  std::optional<Output> out_;
  std::optional<RunLines> lines_;
};

TEST_F(Piped, LinesAreMetaflows) {
  lines_->run_line(at(678901), "Workflow starting (run-id 1):");
  lines_->task_note(at(690000), "1/start/1", 71, "Task is starting.");
  lines_->task_line(at(1000999), "1/start/1", 71, "hello\n");
  lines_->task_note(at(1001000), "1/start/2", std::nullopt, "Cloning previously run task 9/start/1");
  lines_->run_line(at(1002000), "Workflow failed.", true);
  EXPECT_EQ(written(),
            "2026-01-02 03:04:05.678 Workflow starting (run-id 1):\n"
            "2026-01-02 03:04:05.690 [1/start/1 (pid 71)] Task is starting.\n"
            "2026-01-02 03:04:06.000 [1/start/1 (pid 71)] hello\n"
            "2026-01-02 03:04:06.001 [1/start/2] Cloning previously run task 9/start/1\n"
            "2026-01-02 03:04:06.002 Workflow failed.\n");
}

TEST_F(Piped, WhiteSpaceAroundATaskLineIsRemoved) {
  lines_->task_line(at(0), "1/s/1", 2, " \t hello  x \v\f\r\n");
  lines_->task_line(at(0), "1/s/1", 2, "\n");
  EXPECT_EQ(written(),
            "2026-01-02 03:04:05.000 [1/s/1 (pid 2)] hello  x\n"
            "2026-01-02 03:04:05.000 [1/s/1 (pid 2)] \n");
}

TEST_F(Piped, BytesThatAreNotUtf8AreReplaced) {
  lines_->task_line(at(0), "1/s/1", 2, "bad \xff\xfe bytes \xe2\x82 end\n");
  EXPECT_EQ(written(), "2026-01-02 03:04:05.000 [1/s/1 (pid 2)] bad \xef\xbf\xbd\xef\xbf\xbd bytes \xef\xbf\xbd end\n");
}

TEST_F(Piped, UsersColoursAreStrippedOutsideOfATerminal) {
  lines_->task_line(at(0), "1/s/1", 2, "nonl \x1b[31mred\x1b[0m \x1b[1;32mx\x1b[K \x1b] \x1b[\n");
  EXPECT_EQ(written(), "2026-01-02 03:04:05.000 [1/s/1 (pid 2)] nonl red x \x1b] \x1b[\n");
}

TEST_F(Piped, HeldLinesComeAfterWhatReleasesThem) {
  lines_->run_line(at(0), "Workflow interrupted.", true);
  lines_->hold();
  lines_->task_line(at(1000), "1/s/1", 2, "Aborted!\n");
  EXPECT_EQ(written(), "2026-01-02 03:04:05.000 Workflow interrupted.\n");
  lines_->release(at(2000), {{.text = "Flushing logs...", .bad = true}});
  lines_->run_line(at(3000), "This failed task will not be retried.");
  EXPECT_EQ(written(),
            "2026-01-02 03:04:05.002 Flushing logs...\n"
            "2026-01-02 03:04:05.001 [1/s/1 (pid 2)] Aborted!\n"
            "2026-01-02 03:04:05.003 This failed task will not be retried.\n");
}

TEST_F(Piped, WhatIsHeldHasABound) {
  lines_->hold();
  const std::string large(RunLines::kHeldBytesMax, 'x');
  lines_->task_line(at(0), "1/s/1", 2, large);
  EXPECT_GT(out_->pending() + written().size(), large.size());
}

TEST(RunLinesOnATerminal, AreColouredAsByMetaflow) {
  int master = -1;
  int slave = -1;
  struct termios raw {};
  ::cfmakeraw(&raw);
  ASSERT_EQ(::openpty(&master, &slave, nullptr, &raw, nullptr), 0);
  Output out(slave);
  ASSERT_TRUE(out.terminal());
  RunLines lines(out, utc);
  lines.run_line(at(399000), "Workflow starting (run-id 1):");
  lines.task_note(at(399000), "1/start/1", 7, "Task is starting.");
  lines.task_line(at(399000), "1/start/1", 7, "nonl \x1b[31mred\x1b[0m x\n");
  lines.task_line(at(399000), "1/start/1", 7, "\n");
  lines.run_line(at(399000), "Workflow failed.", true);
  EXPECT_TRUE(lines.flush());
  // Recorded from Metaflow 2.19.38 under a pseudo-terminal.
  EXPECT_EQ(read_all(master),
            "\x1b[35m2026-01-02 03:04:05.399 \x1b[0m\x1b[1mWorkflow starting (run-id 1):\x1b[0m\n"
            "\x1b[35m2026-01-02 03:04:05.399 \x1b[0m\x1b[32m[1/start/1 (pid 7)] \x1b[0m\x1b[1mTask is starting.\x1b[0m\n"
            "\x1b[35m2026-01-02 03:04:05.399 \x1b[0m\x1b[32m[1/start/1 (pid 7)] \x1b[0m\x1b[22mnonl \x1b[31mred\x1b[0m x\x1b[0m\n"
            "\x1b[35m2026-01-02 03:04:05.399 \x1b[0m\x1b[32m[1/start/1 (pid 7)] \x1b[0m\x1b[22m\x1b[0m\n"
            "\x1b[35m2026-01-02 03:04:05.399 \x1b[0m\x1b[31m\x1b[1mWorkflow failed.\x1b[0m\n");
  ::close(master);
  ::close(slave);
}

}  // namespace
}  // namespace headrace::console
