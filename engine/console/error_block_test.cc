#include "console/error_block.h"

#include <fcntl.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <functional>

#include <gtest/gtest.h>

#include "base/check.h"

namespace headrace::console {
namespace {

std::string read_and_close(int reader, int writer) {
  std::string text;
  char buffer[65536];
  ::fcntl(reader, F_SETFL, O_NONBLOCK);
  for (ssize_t n; (n = ::read(reader, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  ::close(reader);
  ::close(writer);
  return text;
}

std::string on_a_pipe(const std::function<void(Output&)>& write) {
  int ends[2];
  HR_CHECK(::pipe(ends) == 0);
  Output out(ends[1]);
  write(out);
  out.flush();
  return read_and_close(ends[0], ends[1]);
}

std::string on_a_terminal(const std::function<void(Output&)>& write) {
  int master = -1;
  int slave = -1;
  struct termios raw {};
  ::cfmakeraw(&raw);
  HR_CHECK(::openpty(&master, &slave, nullptr, &raw, nullptr) == 0);
  Output out(slave);
  write(out);
  out.flush();
  return read_and_close(master, slave);
}

void step_failure(Output& out) { error_block(out, "Step failure", "Step *end* (task-id 2) failed."); }

TEST(ErrorBlock, IsIndentedAndFollowedByABlankLine) {
  EXPECT_EQ(on_a_pipe(step_failure),
            "    Step failure:\n"
            "    Step end (task-id 2) failed.\n"
            "\n");
}

TEST(ErrorBlock, IsColouredAsByMetaflow) {
  // Recorded from Metaflow 2.19.38 under a pseudo-terminal.
  EXPECT_EQ(on_a_terminal(step_failure),
            "\x1b[1m    Step failure\x1b[0m\x1b[1m:\x1b[K\x1b[0m\x1b[1m\x1b[0m\n"
            "\x1b[22m    Step \x1b[0m\x1b[31m\x1b[1mend\x1b[0m\x1b[22m (task-id 2) failed.\x1b[K\x1b[0m\x1b[22m\x1b[0m\n"
            "\x1b[22m\x1b[K\x1b[0m\n");
}

TEST(ErrorBlock, HasLinesOfAdvice) {
  EXPECT_EQ(on_a_pipe([](Output& out) { error_block(out, "Step failure", "Step *s* (task-id 2) failed.", "Try `--with kubernetes`."); }),
            "    Step failure:\n"
            "    Step s (task-id 2) failed.\n"
            "    Try `--with kubernetes`.\n"
            "\n");
}

TEST(ErrorBlock, EveryLineOfAMessageIsIndented) {
  EXPECT_EQ(on_a_pipe([](Output& out) { error_block(out, "Internal error", "one\r\ntwo\n\nfour\n"); }),
            "    Internal error:\n"
            "    one\n"
            "    two\n"
            "    \n"
            "    four\n"
            "\n");
}

TEST(ErrorBlock, RendersTheFourPartsOfAnError) {
  const Error error{.kind = Kind::failed,
                    .what = "the artifact `x` cannot be loaded",
                    .where = "F/1/start/1",
                    .why = "its blob has another hash: f(*a, **k)",
                    .next = "run the step again"};
  EXPECT_EQ(on_a_pipe([&](Output& out) { error_block(out, error); }),
            "    the artifact `x` cannot be loaded:\n"
            "    where: F/1/start/1\n"
            "    why:   its blob has another hash: f(*a, **k)\n"
            "    next:  run the step again\n"
            "\n");
}

TEST(ErrorBlock, LeavesOutPartsThatAreNotThere) {
  EXPECT_EQ(on_a_pipe([](Output& out) { error_block(out, Error{.what = "no", .next = "yes"}); }), "    no:\n    next:  yes\n\n");
}

TEST(Say, RemovesTheMarksOfHighlighting) {
  EXPECT_EQ(on_a_pipe([](Output& out) { say(out, "Step *a* and *b*"); }), "Step a and b\n");
  EXPECT_EQ(on_a_terminal([](Output& out) { say(out, "Creating local datastore"); }),
            "\x1b[22mCreating local datastore\x1b[K\x1b[0m\x1b[22m\x1b[0m\n");
}

}  // namespace
}  // namespace headrace::console
