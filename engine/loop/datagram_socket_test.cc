#include "loop/datagram_socket.h"

#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "loop/task_group.h"

namespace headrace::loop {
namespace {

struct Ends {
  DatagramSocket a;
  DatagramSocket b;
};

Ends make_ends(EventLoop& loop) {
  FdPair pair = make_datagram_pair().value();
  return {DatagramSocket(loop, std::move(pair.first)), DatagramSocket(loop, std::move(pair.second))};
}

TEST(DatagramSocket, KeepsMessagesApart) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ASSERT_TRUE(loop.block_on(ends.a.send("one")).ok());
  ASSERT_TRUE(loop.block_on(ends.a.send("two")).ok());
  EXPECT_EQ(loop.block_on(ends.b.receive())->bytes, "one");
  EXPECT_EQ(loop.block_on(ends.b.receive())->bytes, "two");
}

TEST(DatagramSocket, PassesDescriptors) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  FdPair pipe = make_pipe().value();
  std::vector<UniqueFd> passed;
  passed.push_back(std::move(pipe.second));
  const int sent = passed[0].get();
  ASSERT_TRUE(loop.block_on(ends.a.send("door", std::move(passed))).ok());
  EXPECT_EQ(::fcntl(sent, F_GETFD), -1);  // Closed here.
  auto datagram = loop.block_on(ends.b.receive());
  ASSERT_TRUE(datagram.ok());
  ASSERT_EQ(datagram->fds.size(), 1u);
  EXPECT_EQ(::fcntl(datagram->fds[0].get(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::write(datagram->fds[0].get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(::read(pipe.first.get(), &c, 1), 1);
  EXPECT_EQ(c, 'x');
}

TEST(DatagramSocket, EndIsMissing) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  ends.a.close();
  auto datagram = loop.block_on(ends.b.receive());
  ASSERT_FALSE(datagram.ok());
  EXPECT_EQ(datagram.error().kind, Kind::missing);
  auto sent = loop.block_on(ends.b.send("x"));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind, Kind::missing);
}

TEST(DatagramSocket, RefusesToSendWhatIsTooLarge) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  EXPECT_TRUE(loop.block_on(ends.a.send(std::string(kDatagramBytesMax, 'x'))).ok());
  auto sent = loop.block_on(ends.a.send(std::string(kDatagramBytesMax + 1, 'x')));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind, Kind::misuse);
  EXPECT_EQ(loop.block_on(ends.b.receive())->bytes.size(), kDatagramBytesMax);
}

TEST(DatagramSocket, GoesOnAfterAMessageThatIsTooLarge) {
  EventLoop loop;
  FdPair pair = make_datagram_pair().value();
  DatagramSocket socket(loop, std::move(pair.first));
  const std::string large(kDatagramBytesMax + 1, 'x');
  ASSERT_EQ(::send(pair.second.get(), large.data(), large.size(), 0), static_cast<ssize_t>(large.size()));
  ASSERT_EQ(::send(pair.second.get(), "ok", 2, 0), 2);
  auto refused = loop.block_on(socket.receive());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, Kind::failed);
  EXPECT_EQ(loop.block_on(socket.receive())->bytes, "ok");
}

TEST(DatagramSocket, SendWaitsForRoom) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  TaskGroup group(loop);
  constexpr int kCount = 2000;
  int received = 0;
  group.spawn([](DatagramSocket& socket) -> Async<void> {
    for (int i = 0; i < kCount; ++i) {
      auto sent = co_await socket.send(std::to_string(i));
      EXPECT_TRUE(sent.ok());
    }
  }(ends.a));
  group.spawn([](DatagramSocket& socket, int& count) -> Async<void> {
    for (; count < kCount; ++count) {
      auto datagram = co_await socket.receive();
      EXPECT_EQ(datagram->bytes, std::to_string(count));
    }
  }(ends.b, received));
  loop.block_on(group.wait());
  EXPECT_EQ(received, kCount);
}

TEST(DatagramSocket, CloseEndsWhatWaits) {
  EventLoop loop;
  Ends ends = make_ends(loop);
  loop.post([&] { loop.post([&] { ends.a.close(); }); });
  auto datagram = loop.block_on(ends.a.receive());
  ASSERT_FALSE(datagram.ok());
  EXPECT_EQ(datagram.error().kind, Kind::missing);
}

}  // namespace
}  // namespace headrace::loop
