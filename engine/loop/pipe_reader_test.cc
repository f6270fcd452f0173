#include "loop/pipe_reader.h"

#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "loop/task_group.h"
#include "loop/worker_pool.h"

namespace headrace::loop {
namespace {

Async<std::string> read_all(PipeReader& reader) {
  std::string all;
  for (;;) {
    auto chunk = co_await reader.read();
    EXPECT_TRUE(chunk.ok());
    if (!chunk || chunk->empty()) co_return all;
    all += *chunk;
  }
}

TEST(PipeReader, ReadsToTheEnd) {
  EventLoop loop;
  WorkerPool pool(loop, 1);
  FdPair pipe = make_pipe().value();
  PipeReader reader(loop, std::move(pipe.first), 1000);
  std::string sent;
  for (int i = 0; i < 100'000; ++i) sent += std::to_string(i);
  auto end = std::make_shared<UniqueFd>(std::move(pipe.second));
  pool.post([sent, end] {
    for (std::size_t done = 0; done < sent.size();) {
      const ssize_t count = ::write(end->get(), sent.data() + done, sent.size() - done);
      if (count > 0) done += static_cast<std::size_t>(count);
    }
    end->reset();
  });
  EXPECT_EQ(loop.block_on(read_all(reader)), sent);
}

TEST(PipeReader, AFastWriterLeavesOthersTheirTurn) {
  EventLoop loop;
  FdPair pipe = make_pipe().value();
  const std::string full(65536, 'x');
  ASSERT_EQ(::write(pipe.second.get(), full.data(), full.size()), static_cast<ssize_t>(full.size()));
  pipe.second.reset();
  PipeReader reader(loop, std::move(pipe.first), 16);
  // A chain of posts runs between the chunks, not after all of them.
  int turns = 0;
  bool reading = true;
  std::function<void()> again = [&] {
    if (!reading) return;
    ++turns;
    loop.post(again);
  };
  loop.post(again);
  const std::string all = loop.block_on([](PipeReader& r, bool& busy) -> Async<std::string> {
    std::string text = co_await read_all(r);
    busy = false;
    co_return text;
  }(reader, reading));
  EXPECT_EQ(all, full);
  EXPECT_GT(turns, 100);
}

TEST(PipeReader, DrainTakesWhatIsThereAndDoesNotWait) {
  EventLoop loop;
  FdPair pipe = make_pipe().value();
  ASSERT_EQ(::write(pipe.second.get(), "left over", 9), 9);
  PipeReader reader(loop, std::move(pipe.first));
  EXPECT_EQ(reader.drain(4).value(), "left");
  EXPECT_EQ(reader.drain(1000).value(), " over");
  EXPECT_EQ(reader.drain(1000).value(), "");  // The writer still holds its end.
}

TEST(PipeReader, CloseEndsWhatWaits) {
  EventLoop loop;
  FdPair pipe = make_pipe().value();
  PipeReader reader(loop, std::move(pipe.first));
  loop.post([&] { loop.post([&] { reader.close(); }); });
  EXPECT_EQ(loop.block_on(read_all(reader)), "");
}

}  // namespace
}  // namespace headrace::loop
