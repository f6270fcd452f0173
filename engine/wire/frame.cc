#include "wire/frame.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace headrace::wire {
namespace {

constexpr std::string_view kReinstall = "engine and SDK must come from one installation: reinstall headrace";

void put_u64(char* to, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

std::uint64_t get_u64(const char* from) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  return value;
}

Error bad_frame(std::string why) {
  return Error{.what = "a message between engine and Python is malformed", .why = std::move(why), .next = std::string(kReinstall)};
}

Error too_large(std::size_t bytes) {
  return Error{.what = "an answer of the engine is too large for one message",
               .why = fmt::format("its JSON has {} bytes; at most {} are allowed", bytes, kFrameJsonBytesMax),
               .next = "ask for less at a time"};
}

}  // namespace

std::array<char, kFrameHeaderBytes> encode(const FrameHeader& header) {
  std::array<char, kFrameHeaderBytes> bytes;
  put_u64(bytes.data(), header.json_bytes);
  put_u64(bytes.data() + 8, header.payload_bytes);
  put_u64(bytes.data() + 16, header.id);
  return bytes;
}

Result<FrameHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return bad_frame(fmt::format("its header has {} bytes of {}", bytes.size(), kFrameHeaderBytes));
  }
  const FrameHeader header{
      .json_bytes = get_u64(bytes.data()), .payload_bytes = get_u64(bytes.data() + 8), .id = get_u64(bytes.data() + 16)};
  if (header.json_bytes > kFrameJsonBytesMax) {
    return bad_frame(fmt::format("it announces {} bytes of JSON; the bound is {}", header.json_bytes, kFrameJsonBytesMax));
  }
  if (header.payload_bytes > kFramePayloadBytesMax) {
    return bad_frame(fmt::format("it announces a payload of {} bytes; the bound is {}", header.payload_bytes, kFramePayloadBytesMax));
  }
  return header;
}

Result<codec::Json> parse_body(std::string_view text) {
  codec::Json body = HR_TRY(codec::parse_json(text, "a message between engine and Python"));
  if (!body.is_object()) return bad_frame("its JSON is not an object");
  return body;
}

Result<Frame> decode_frame(std::string_view bytes) {
  const FrameHeader header = HR_TRY(decode_header(bytes));
  const std::string_view rest = bytes.substr(kFrameHeaderBytes);
  if (rest.size() != header.json_bytes + header.payload_bytes) {
    return bad_frame(fmt::format("it announces {} bytes and has {}", header.json_bytes + header.payload_bytes, rest.size()));
  }
  Frame frame;
  frame.id = header.id;
  frame.body = HR_TRY(parse_body(rest.substr(0, header.json_bytes)));
  frame.payload = rest.substr(header.json_bytes);
  return frame;
}

std::string encode_frame(const Frame& frame) {
  const std::string text = codec::dump_json(frame.body);
  const auto header = encode({.json_bytes = text.size(), .payload_bytes = frame.payload.size(), .id = frame.id});
  return std::string(header.data(), header.size()) + text + frame.payload;
}

loop::Async<Result<FrameHead>> read_frame_head(loop::StreamSocket& socket) {
  std::array<char, kFrameHeaderBytes> bytes;
  auto read = co_await socket.read_exact(bytes);
  if (!read) co_return read.error();
  const auto header = decode_header({bytes.data(), bytes.size()});
  if (!header) co_return header.error();
  std::string text(header->json_bytes, '\0');
  if (!text.empty()) {
    read = co_await socket.read_exact(text);
    // The end of the stream is only an end between frames.
    if (!read) co_return bad_frame("the connection ended within it: " + read.error().what);
  }
  auto body = parse_body(text);
  if (!body) co_return body.error();
  co_return FrameHead{.id = header->id, .body = std::move(*body), .payload_bytes = header->payload_bytes};
}

loop::Async<Result<Frame>> read_frame(loop::StreamSocket& socket, std::uint64_t payload_max) {
  auto head = co_await read_frame_head(socket);
  if (!head) co_return head.error();
  if (head->payload_bytes > payload_max) {
    co_return bad_frame(fmt::format("its payload has {} bytes; {} are expected at most", head->payload_bytes, payload_max));
  }
  Frame frame{.id = head->id, .body = std::move(head->body), .payload = {}};
  // Grows as the bytes come: the announced length is a claim until then.
  constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;
  while (frame.payload.size() < head->payload_bytes) {
    const std::size_t at = frame.payload.size();
    frame.payload.resize(at + std::min(kPiece, head->payload_bytes - at));
    const auto read = co_await socket.read_exact(std::span<char>(frame.payload).subspan(at));
    if (!read) co_return bad_frame("the connection ended within its payload: " + read.error().what);
  }
  co_return frame;
}

loop::Async<Result<void>> write_frame(loop::StreamSocket& socket, Frame frame) {
  std::string text = codec::dump_json(frame.body);
  auto written = co_await write_frame_text(socket, frame.id, std::move(text), std::move(frame.payload));
  co_return written;
}

loop::Async<Result<void>> write_frame_text(loop::StreamSocket& socket, std::uint64_t id, std::string body, std::string payload) {
  if (body.size() > kFrameJsonBytesMax) {
    body = codec::dump_json(error_body(too_large(body.size())));
    payload.clear();
  }
  FrameHeader lengths;
  lengths.json_bytes = body.size();
  lengths.payload_bytes = payload.size();
  lengths.id = id;
  const auto header = encode(lengths);
  std::vector<std::string_view> pieces{std::string_view(header.data(), header.size()), body};
  if (!payload.empty()) pieces.push_back(payload);
  auto written = co_await socket.write_all(std::move(pieces));
  co_return written;
}

codec::Json ok_body() { return codec::Json{{"ok", true}}; }

codec::Json error_body(const Error& error) {
  return codec::Json{{"ok", false},
                     {"error", codec::Json{{"kind", to_string(error.kind)},
                                           {"what", error.what},
                                           {"where", error.where},
                                           {"why", error.why},
                                           {"next", error.next}}}};
}

Result<void> check_answer(const codec::Json& body) {
  if (HR_TRY(codec::get_bool(body, "ok"))) return {};
  const codec::Json* error = HR_TRY(codec::get_object(body, "error"));
  return Error{.kind = kind_from(HR_TRY(codec::get_string(*error, "kind"))),
               .what = HR_TRY(codec::get_string(*error, "what")),
               .where = HR_TRY(codec::find_string(*error, "where")).value_or(""),
               .why = HR_TRY(codec::find_string(*error, "why")).value_or(""),
               .next = HR_TRY(codec::find_string(*error, "next")).value_or("")};
}

}  // namespace headrace::wire
