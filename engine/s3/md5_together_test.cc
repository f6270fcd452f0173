#include "s3/md5_together.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "codec/md5.h"

namespace headrace::s3 {
namespace {

class Md5TogetherTest : public testing::TestWithParam<unsigned> {};

TEST_P(Md5TogetherTest, ManyThreadsEachGetTheirOwn) {
  Md5Together together{GetParam()};
  constexpr std::size_t kThreads = 24;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < kThreads; ++i) bodies.emplace_back(i % 5 == 0 ? i : 40'000 + 7 * i, static_cast<char>('a' + i));
  std::vector<std::string> found(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) found[i] = Md5Together::Expected{together}.hex(bodies[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kThreads; ++i) {
    const std::string_view body = bodies[i];
    EXPECT_EQ(found[i], codec::md5_hex({&body, 1}).front()) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Md5TogetherTest, testing::Values(1, 2, 4));

}  // namespace
}  // namespace headrace::s3
