#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"
#include "loop/async.h"
#include "loop/stream_socket.h"

/// Frames of docs/formats/wire.md, section 1: three lengths, a JSON object, raw bytes.
namespace headrace::wire {

inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::uint64_t kFrameJsonBytesMax = std::uint64_t{64} << 20;
inline constexpr std::uint64_t kFramePayloadBytesMax = std::uint64_t{1} << 40;

struct FrameHeader {
  std::uint64_t json_bytes = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t id = 0;  ///< of the request; its answer has the same
  bool operator==(const FrameHeader&) const = default;
};

[[nodiscard]] std::array<char, kFrameHeaderBytes> encode(const FrameHeader& header);
/// Error (failed) for fewer bytes than a header has and for lengths beyond the bounds.
Result<FrameHeader> decode_header(std::string_view bytes);

struct Frame {
  std::uint64_t id = 0;
  codec::Json body;  ///< always an object
  std::string payload;
};

/// The object in `text`; error (failed) when it is none.
Result<codec::Json> parse_body(std::string_view text);

/// A whole frame in memory: the flow spec in its memfd.
Result<Frame> decode_frame(std::string_view bytes);
[[nodiscard]] std::string encode_frame(const Frame& frame);

/// A frame whose payload is still in the socket; read it (all of it) before the next frame.
struct FrameHead {
  std::uint64_t id = 0;
  codec::Json body;
  std::uint64_t payload_bytes = 0;
};

/// Error `missing` when the other side has closed between frames. After any other error the connection is useless: close it.
/// The socket must live until then, here and below.
[[nodiscard]] loop::Async<Result<FrameHead>> read_frame_head(loop::StreamSocket& socket);
/// Reads the payload into memory. Error (failed) when it is longer than `payload_max`; nothing of it has been read then.
[[nodiscard]] loop::Async<Result<Frame>> read_frame(loop::StreamSocket& socket, std::uint64_t payload_max);
/// Writes one frame, whole; several may be written at once. In the place of a body that is longer than a reader takes goes the error
/// that says so, without the payload.
[[nodiscard]] loop::Async<Result<void>> write_frame(loop::StreamSocket& socket, Frame frame);
/// The same with a body that is text already: one JSON object.
[[nodiscard]] loop::Async<Result<void>> write_frame_text(loop::StreamSocket& socket, std::uint64_t id, std::string body,
                                                         std::string payload);

/// An answer's body: `{"ok": true}`, to be widened, or the error.
[[nodiscard]] codec::Json ok_body();
[[nodiscard]] codec::Json error_body(const Error& error);
/// The Error of an answer with `"ok": false`; nothing of one with true.
Result<void> check_answer(const codec::Json& body);

}  // namespace headrace::wire
