#include "wire/frame.h"

#include <gtest/gtest.h>

#include "loop/event_loop.h"

namespace headrace::wire {
namespace {

TEST(FrameHeader, IsThreeLittleEndianNumbers) {
  const auto bytes = encode({.json_bytes = 2, .payload_bytes = 0x0102, .id = 7});
  const std::string text(bytes.data(), bytes.size());
  EXPECT_EQ(text, std::string("\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\x07\0\0\0\0\0\0\0", 24));
  const auto back = decode_header(text);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, (FrameHeader{.json_bytes = 2, .payload_bytes = 0x0102, .id = 7}));
}

TEST(FrameHeader, HasBounds) {
  const auto decoded = [](FrameHeader header) {
    const auto bytes = encode(header);
    return decode_header({bytes.data(), bytes.size()});
  };
  EXPECT_TRUE(decoded({.json_bytes = kFrameJsonBytesMax, .payload_bytes = kFramePayloadBytesMax}).ok());
  EXPECT_FALSE(decoded({.json_bytes = kFrameJsonBytesMax + 1}).ok());
  EXPECT_FALSE(decoded({.payload_bytes = kFramePayloadBytesMax + 1}).ok());
  EXPECT_FALSE(decode_header("short").ok());
}

TEST(Frame, IsReadAsItWasWritten) {
  const Frame frame{.id = 3, .body = codec::Json{{"op", "close"}, {"stream", 4}}, .payload = std::string("\0\xff raw", 6)};
  const auto back = decode_frame(encode_frame(frame));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->id, 3u);
  EXPECT_EQ(back->body, frame.body);
  EXPECT_EQ(back->payload, frame.payload);
}

TEST(Frame, RefusesWhatIsCutOffOrFollowed) {
  const std::string bytes = encode_frame({.id = 1, .body = codec::Json{{"op", "begin"}}, .payload = "p"});
  EXPECT_FALSE(decode_frame(bytes.substr(0, bytes.size() - 1)).ok());
  EXPECT_FALSE(decode_frame(bytes + "x").ok());
  EXPECT_FALSE(decode_frame("").ok());
}

TEST(Frame, BodyIsAnObject) {
  EXPECT_FALSE(parse_body("[1]").ok());
  EXPECT_FALSE(parse_body("").ok());
  EXPECT_FALSE(parse_body("{\"a\":").ok());
  EXPECT_TRUE(parse_body("{}").ok());
}

TEST(Answer, CarriesAnErrorWhole) {
  const Error error{.kind = Kind::missing, .what = "no blob `ab`", .where = "run 1", .why = "it is not there", .next = "look"};
  const auto back = check_answer(error_body(error));
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(to_text(back.error()), to_text(error));
  EXPECT_EQ(back.error().kind, Kind::missing);
  EXPECT_TRUE(check_answer(ok_body()).ok());
  EXPECT_FALSE(check_answer(codec::Json::object()).ok());
}

class FrameOverSocket : public testing::Test {
 protected:
  FrameOverSocket() {
    auto pair = loop::make_stream_pair();
    HR_CHECK(pair.ok());
    near_.emplace(loop_, std::move(pair->first));
    far_.emplace(loop_, std::move(pair->second));
  }

  loop::EventLoop loop_;
  std::optional<loop::StreamSocket> near_;
  std::optional<loop::StreamSocket> far_;
};

loop::Async<Result<Frame>> exchange(loop::EventLoop& loop, loop::StreamSocket& from, loop::StreamSocket& to, Frame frame) {
  loop.spawn([](loop::StreamSocket& socket, Frame sent) -> loop::Async<void> {
    const auto written = co_await write_frame(socket, std::move(sent));
    EXPECT_TRUE(written.ok());
  }(from, std::move(frame)));
  auto got = co_await read_frame(to, std::uint64_t{1} << 30);
  co_return got;
}

TEST_F(FrameOverSocket, LargePayloadsArrive) {
  const std::string payload(std::size_t{9} << 20, 'x');
  const auto got = loop_.block_on(exchange(loop_, *near_, *far_, {.id = 5, .body = ok_body(), .payload = payload}));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->id, 5u);
  EXPECT_EQ(got->body, ok_body());
  EXPECT_TRUE(got->payload == payload);
}

TEST_F(FrameOverSocket, ABodyThatIsTooLongBecomesAnError) {
  codec::Json body = ok_body();
  body["objects"] = std::string(kFrameJsonBytesMax, 'x');
  const auto got = loop_.block_on(exchange(loop_, *near_, *far_, {.id = 5, .body = std::move(body), .payload = "p"}));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->id, 5u);
  EXPECT_EQ(got->payload, "");
  const auto answer = check_answer(got->body);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().why, "its JSON has 67108891 bytes; at most 67108864 are allowed");
}

TEST_F(FrameOverSocket, AClosedOtherSideIsMissing) {
  near_->close();
  const auto got = loop_.block_on(read_frame(*far_, 0));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, Kind::missing);
}

TEST_F(FrameOverSocket, ClosingWithinAFrameIsAFailure) {
  const std::string bytes = encode_frame({.id = 1, .body = ok_body(), .payload = {}});
  ASSERT_TRUE(loop_.block_on(near_->write_all({std::string_view(bytes).substr(0, bytes.size() - 3)})).ok());
  near_->close();
  const auto got = loop_.block_on(read_frame(*far_, 0));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, Kind::failed);
}

TEST_F(FrameOverSocket, AnUnexpectedPayloadIsRefusedUnread) {
  ASSERT_TRUE(loop_.block_on(write_frame(*near_, Frame{.id = 1, .body = ok_body(), .payload = "abc"})).ok());
  EXPECT_FALSE(loop_.block_on(read_frame(*far_, 2)).ok());
}

}  // namespace
}  // namespace headrace::wire
