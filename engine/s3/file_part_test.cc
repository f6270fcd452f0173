#include "s3/file_part.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "base/files.h"

namespace headrace::s3 {
namespace {

class FilePartTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fd_ = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    ASSERT_GE(fd_, 0);
    for (int i = 0; i < 600'000; ++i) bytes_ += static_cast<char>(i % 251);
    ASSERT_EQ(write_all(fd_, bytes_), 0);
  }
  void TearDown() override { ::close(fd_); }

  /// What comes of a stream, `most` bytes at a time, until it says that this is all.
  static std::string drained(aws_input_stream* stream, std::size_t most) {
    std::string all;
    aws_stream_status status{};
    while (aws_input_stream_get_status(stream, &status) == AWS_OP_SUCCESS && !status.is_end_of_stream && status.is_valid) {
      std::string room(most, '\0');
      aws_byte_buf to = aws_byte_buf_from_empty_array(room.data(), room.size());
      if (aws_input_stream_read(stream, &to) != AWS_OP_SUCCESS) break;
      all.append(room, 0, to.len);
    }
    return all;
  }

  int fd_ = -1;
  std::string bytes_;
};

TEST_F(FilePartTest, ItsChecksumIsThatOfItsBytes) {
  const auto crc = crc_of(CrcKind::crc32c, {.fd = fd_, .from = 7, .length = 500'000}, "f");
  ASSERT_TRUE(crc.ok());
  EXPECT_EQ(crc->value, crc_of(CrcKind::crc32c, bytes_.substr(7, 500'000)).value);
  EXPECT_EQ(crc_of(CrcKind::crc32c, {.fd = fd_, .from = 0, .length = 0}, "f")->value, crc_of(CrcKind::crc32c, "").value);
}

TEST_F(FilePartTest, WhatCannotBeReadIsNamed) {
  const auto shorter = crc_of(CrcKind::crc32c, {.fd = fd_, .from = 599'999, .length = 2}, "the file");
  ASSERT_FALSE(shorter.ok());
  EXPECT_NE(to_text(shorter.error()).find("the file"), std::string::npos);
  EXPECT_NE(to_text(shorter.error()).find("shorter"), std::string::npos);
  EXPECT_FALSE(crc_of(CrcKind::crc32c, {.fd = -1, .from = 0, .length = 2}, "f").ok());
}

TEST_F(FilePartTest, AStreamGivesItsBytesAsOftenAsItIsReadFromTheBeginning) {
  FilePartStream* stream = FilePartStream::make({.fd = fd_, .from = 100, .length = 400'000});
  std::int64_t length = 0;
  EXPECT_EQ(aws_input_stream_get_length(stream->base(), &length), AWS_OP_SUCCESS);
  EXPECT_EQ(length, 400'000);
  EXPECT_EQ(drained(stream->base(), 130'000), bytes_.substr(100, 400'000));
  EXPECT_EQ(aws_input_stream_seek(stream->base(), 0, AWS_SSB_BEGIN), AWS_OP_SUCCESS);
  EXPECT_EQ(drained(stream->base(), 1'000'000), bytes_.substr(100, 400'000));
  EXPECT_EQ(aws_input_stream_seek(stream->base(), -10, AWS_SSB_END), AWS_OP_SUCCESS);
  EXPECT_EQ(drained(stream->base(), 4), bytes_.substr(400'090, 10));
  EXPECT_NE(aws_input_stream_seek(stream->base(), 400'001, AWS_SSB_BEGIN), AWS_OP_SUCCESS);
  EXPECT_EQ(stream->error(), 0);
  aws_input_stream_release(stream->base());
}

TEST_F(FilePartTest, AStreamEndsWhereItsFileDoes) {
  FilePartStream* stream = FilePartStream::make({.fd = fd_, .from = 599'000, .length = 2'000});
  EXPECT_EQ(drained(stream->base(), 1'500), bytes_.substr(599'000)) << "what sends it sees that bytes are missing";
  aws_input_stream_release(stream->base());
}

TEST_F(FilePartTest, AStreamThatCannotBeReadTellsWhy) {
  const int unreadable = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(unreadable, 0);
  FilePartStream* stream = FilePartStream::make({.fd = unreadable, .from = 0, .length = 10});
  EXPECT_EQ(drained(stream->base(), 10), "");
  EXPECT_EQ(stream->error(), EIO);
  aws_input_stream_release(stream->base());
  ::close(unreadable);
}

}  // namespace
}  // namespace headrace::s3
