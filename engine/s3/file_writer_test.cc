#include "s3/file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

constexpr std::size_t kPiece = 100'000;

std::string content(int fd) {
  std::string bytes(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

TEST(FileWriter, EachPieceOfManyThreadsIsAtItsPlaceAfterAFlush) {
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  constexpr int kThreads = 8;
  constexpr int kEach = 40;  // together more than may be left
  FileWriter writer{fd};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&writer, t] {
        for (int i = 0; i < kEach; ++i) {
          const int number = i * kThreads + t;
          EXPECT_EQ(writer.write(std::string(kPiece, static_cast<char>('a' + number % 26)), static_cast<std::uint64_t>(number) * kPiece), 0);
        }
        EXPECT_EQ(writer.flush(), 0);
      });
    }
  }
  const std::string came = content(fd);
  ASSERT_EQ(came.size(), kThreads * kEach * kPiece);
  for (int number = 0; number < kThreads * kEach; ++number) {
    EXPECT_EQ(came.substr(static_cast<std::size_t>(number) * kPiece, kPiece), std::string(kPiece, static_cast<char>('a' + number % 26))) << number;
  }
  ::close(fd);
}

TEST(FileWriter, TheFirstFailureIsKept) {
  const int fd = ::open("/dev/full", O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  FileWriter writer{fd};
  EXPECT_EQ(writer.write("x", 0), ENOSPC);
  EXPECT_EQ(writer.flush(), ENOSPC) << "who flushes hears of what another thread wrote";
  ::close(fd);
}

}  // namespace
}  // namespace headrace::s3
