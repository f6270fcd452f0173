#include "console/output.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

namespace headrace::console {
namespace {

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  }
  ~Pipe() {
    close_reader();
    ::close(ends[1]);
  }
  void close_reader() {
    if (ends[0] >= 0) ::close(ends[0]);
    ends[0] = -1;
  }
  int ends[2];
};

class OutputTest : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
};

TEST_F(OutputTest, NeverWaitsForAReaderThatIsBehind) {
  Pipe pipe;
  Output out(pipe.ends[1]);
  const std::string large(std::size_t{3} << 20, 'x');
  out.write(large);
  EXPECT_FALSE(out.flush());
  EXPECT_TRUE(out.full());
  EXPECT_FALSE(out.broken());
  // The descriptor that is shared with others still waits as before.
  EXPECT_EQ(::fcntl(pipe.ends[1], F_GETFL) & O_NONBLOCK, 0);

  std::string got;
  std::thread reader([&] {
    char buffer[65536];
    while (got.size() < large.size()) {
      const ssize_t n = ::read(pipe.ends[0], buffer, sizeof buffer);
      if (n <= 0) break;
      got.append(buffer, static_cast<std::size_t>(n));
    }
  });
  out.drain(60s);
  reader.join();
  EXPECT_TRUE(got == large);
  EXPECT_EQ(out.pending(), 0u);
  EXPECT_FALSE(out.full());
}

TEST_F(OutputTest, SurvivesAReaderThatHasLeft) {
  Pipe pipe;
  Output out(pipe.ends[1]);
  pipe.close_reader();
  out.write("lost\n");
  EXPECT_TRUE(out.flush());
  EXPECT_TRUE(out.broken());
  out.write("lost too\n");
  EXPECT_EQ(out.pending(), 0u);
}

TEST_F(OutputTest, SurvivesADescriptorThatIsClosed) {
  Output out(1'000'000);
  out.write("lost\n");
  EXPECT_TRUE(out.flush());
  EXPECT_TRUE(out.broken());
}

TEST_F(OutputTest, GivesUpOnAReaderThatDoesNotRead) {
  Pipe pipe;
  Output out(pipe.ends[1]);
  out.write(std::string(std::size_t{1} << 20, 'x'));
  out.drain(1ms);
  EXPECT_TRUE(out.broken());
}

TEST_F(OutputTest, WritesToSockets) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Output out(ends[1]);
  out.write("hello\n");
  EXPECT_TRUE(out.flush());
  char buffer[16];
  EXPECT_EQ(::read(ends[0], buffer, sizeof buffer), 6);
  ::close(ends[0]);
  out.write("lost\n");
  EXPECT_TRUE(out.flush());
  EXPECT_TRUE(out.broken());
  ::close(ends[1]);
}

TEST_F(OutputTest, AppendsToAFileThatOthersWriteToo) {
  char path[] = "/tmp/headrace_output_XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  {
    Output out(fd);
    out.write("one\n");
    EXPECT_TRUE(out.flush());
    ASSERT_EQ(::write(fd, "two\n", 4), 4);
    out.write("three\n");
    EXPECT_TRUE(out.flush());
  }
  ::close(fd);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "one\ntwo\nthree\n");
  ::unlink(path);
}

}  // namespace
}  // namespace headrace::console
