#include "loop/stream_socket.h"

#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "loop/task_group.h"

namespace headrace::loop {
namespace {

struct Ends {
  StreamSocket a;
  StreamSocket b;
};

Ends make_ends(EventLoop& loop) {
  FdPair pair = make_stream_pair().value();
  return {StreamSocket(loop, std::move(pair.first)), StreamSocket(loop, std::move(pair.second))};
}

Async<void> write_message(StreamSocket& socket, std::string head, std::string body) {
  std::vector<std::string_view> pieces = {head, "", body};
  auto written = co_await socket.write_all(std::move(pieces));
  EXPECT_TRUE(written.ok());
}

TEST(StreamSocket, WritesOfSeveralCoroutinesStayWhole) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  constexpr std::size_t kBody = 3'000'000;  // More than a socket's buffer, so writes wait.
  TaskGroup group(loop);
  for (const char c : {'a', 'b', 'c'}) group.spawn(write_message(ends.a, std::string(1, c), std::string(kBody, c)));
  std::string seen;
  group.spawn([](StreamSocket& socket, std::string& heads) -> Async<void> {
    for (int i = 0; i < 3; ++i) {
      std::string message(kBody + 1, '?');
      auto read = co_await socket.read_exact(message);
      EXPECT_TRUE(read.ok());
      EXPECT_EQ(message, std::string(kBody + 1, message[0]));
      heads += message[0];
    }
  }(ends.b, seen));
  loop.block_on(group.wait());
  EXPECT_EQ(seen, "abc");
}

TEST(StreamSocket, EndBetweenMessagesIsMissing) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ends.a.close();
  char buffer[4];
  auto read = loop.block_on(ends.b.read_exact(buffer));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, Kind::missing);
}

TEST(StreamSocket, EndInsideAMessageIsAFailure) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ASSERT_TRUE(loop.block_on(ends.a.write_all({"ab"})).ok());
  ends.a.close();
  char buffer[4];
  auto read = loop.block_on(ends.b.read_exact(buffer));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, Kind::failed);
}

TEST(StreamSocket, ReadSomeGivesWhatIsThere) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ASSERT_TRUE(loop.block_on(ends.a.write_all({"ab", "c"})).ok());
  char buffer[16];
  auto read = loop.block_on(ends.b.read_some(buffer));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::string(buffer, *read), "abc");
}

TEST(StreamSocket, WritingToAClosedEndIsMissing) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ends.b.close();
  auto written = loop.block_on(ends.a.write_all({"x"}));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, Kind::missing);
}

TEST(StreamSocket, CloseEndsWhatWaits) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  TaskGroup group(loop);
  int ended = 0;
  group.spawn([](StreamSocket& socket, int& count) -> Async<void> {
    char buffer[1];
    auto read = co_await socket.read_exact(buffer);
    EXPECT_EQ(read.error().kind, Kind::missing);
    ++count;
  }(ends.a, ended));
  group.spawn([](StreamSocket& socket, int& count) -> Async<void> {
    const std::string much(3'000'000, 'x');
    auto written = co_await socket.write_all(std::vector<std::string_view>(1, much));
    EXPECT_EQ(written.error().kind, Kind::missing);
    ++count;
  }(ends.a, ended));
  loop.spawn([](EventLoop& l, StreamSocket& socket) -> Async<void> {
    for (int i = 0; i < 5; ++i) co_await l.yield();
    socket.close();
  }(loop, ends.a));
  loop.block_on(group.wait());
  EXPECT_EQ(ended, 2);
}

TEST(StreamSocket, MayBeDestroyedWhileSomebodyReads) {
  EventLoop loop;
  FdPair pair = make_stream_pair().value();
  auto socket = std::make_unique<StreamSocket>(loop, std::move(pair.first));
  Kind kind = Kind::failed;
  TaskGroup group(loop);
  group.spawn([](StreamSocket& s, Kind& k) -> Async<void> {
    char buffer[1];
    auto read = co_await s.read_exact(buffer);
    k = read.error().kind;
  }(*socket, kind));
  loop.spawn([](EventLoop& l, std::unique_ptr<StreamSocket>& s) -> Async<void> {
    for (int i = 0; i < 5; ++i) co_await l.yield();
    s.reset();
  }(loop, socket));
  loop.block_on(group.wait());
  EXPECT_EQ(kind, Kind::missing);
}

}  // namespace
}  // namespace headrace::loop
