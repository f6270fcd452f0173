#include "codec/gzip.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <igzip_lib.h>

#include "base/check.h"

namespace headrace::codec {

namespace {

// ISA-L counts in 32 bits.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 30;
constexpr std::size_t kOutputStepBytes = 256 * 1024;

std::uint8_t* as_input(std::string_view bytes) {
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(bytes.data()));  // ISA-L only reads it.
}

}  // namespace

struct GzipWriter::State {
  State() {
    isal_deflate_init(&stream);
    stream.level = 1;
    stream.level_buf = level_buffer.data();
    stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
    stream.gzip_flag = IGZIP_GZIP;
    stream.flush = NO_FLUSH;
  }

  /// Takes all of the input; `last` also ends the member.
  void run(std::string_view bytes, bool last, std::string& out) {
    stream.next_in = as_input(bytes);
    stream.avail_in = static_cast<std::uint32_t>(bytes.size());
    stream.end_of_stream = last ? 1 : 0;
    for (;;) {
      const std::size_t before = out.size();
      // Room for what such input gives at most; small pieces must not cost large buffers.
      out.resize(before + std::min(kOutputStepBytes, bytes.size() + bytes.size() / 8 + 512));
      stream.next_out = reinterpret_cast<std::uint8_t*>(out.data() + before);
      stream.avail_out = static_cast<std::uint32_t>(out.size() - before);
      const int code = isal_deflate(&stream);
      HR_CHECK(code == COMP_OK);
      out.resize(out.size() - stream.avail_out);
      if (stream.avail_out > 0 && stream.avail_in == 0) break;
    }
    HR_CHECK(!last || stream.internal_state.state == ZSTATE_END);
  }

  isal_zstream stream;
  std::vector<std::uint8_t> level_buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);
};

GzipWriter::GzipWriter() : state_(std::make_unique<State>()) {}
GzipWriter::~GzipWriter() = default;
GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;
GzipWriter& GzipWriter::operator=(GzipWriter&&) noexcept = default;

void GzipWriter::write(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPieceBytesMax);
    state_->run(piece, false, out);
    bytes.remove_prefix(piece.size());
  }
}

void GzipWriter::finish(std::string& out) { state_->run({}, true, out); }

struct GzipReader::State {
  State() {
    isal_inflate_init(&stream);
    stream.crc_flag = ISAL_GZIP;
  }

  enum class Place { before_first, between, inside };

  inflate_state stream;
  std::string_view input;  // Not yet given to `stream`.
  Place place = Place::before_first;
  bool damaged = false;
};

GzipReader::GzipReader() : state_(std::make_unique<State>()) {}
GzipReader::~GzipReader() = default;
GzipReader::GzipReader(GzipReader&&) noexcept = default;
GzipReader& GzipReader::operator=(GzipReader&&) noexcept = default;

void GzipReader::feed(std::string_view bytes) {
  HR_CHECK(state_->input.empty());
  state_->input = bytes;
}

namespace {

std::string inflate_problem(int code) {
  switch (code) {
    case ISAL_INCORRECT_CHECKSUM: return "the checksum at its end is another";
    case ISAL_INVALID_WRAPPER: return "it does not begin as gzip does";
    case ISAL_UNSUPPORTED_METHOD: return "its method of compression is not known";
    case ISAL_INVALID_LOOKBACK: return "it refers to bytes before its begin";
    case ISAL_INVALID_SYMBOL:
    case ISAL_INVALID_BLOCK: return "a compressed block in it is damaged";
    default: return "it cannot be decompressed";
  }
}

Error not_gzip(std::string why) {
  return Error{.what = "these bytes are not valid gzip", .why = std::move(why)};
}

}  // namespace

Result<std::size_t> GzipReader::read(char* out, std::size_t size) {
  State& state = *state_;
  if (state.damaged) return not_gzip("it was found damaged before");
  std::size_t filled = 0;
  while (filled < size) {
    if (state.place != State::Place::inside) {
      if (state.place == State::Place::between) {
        state.input.remove_prefix(std::min(state.input.find_first_not_of('\0'), state.input.size()));
      }
      if (state.input.empty()) break;
      isal_inflate_reset(&state.stream);
      state.place = State::Place::inside;
    }
    const std::size_t given = std::min(state.input.size(), kPieceBytesMax);
    const std::size_t room = std::min(size - filled, kPieceBytesMax);
    state.stream.next_in = as_input(state.input);
    state.stream.avail_in = static_cast<std::uint32_t>(given);
    state.stream.next_out = reinterpret_cast<std::uint8_t*>(out + filled);
    state.stream.avail_out = static_cast<std::uint32_t>(room);
    const int code = isal_inflate(&state.stream);
    if (code < 0) {
      state.damaged = true;  // And the counters may be wrong: ISA-L counts more bytes than it was given.
      return not_gzip(inflate_problem(code));
    }
    const std::size_t taken = given - state.stream.avail_in;
    const std::size_t made = room - state.stream.avail_out;
    state.input.remove_prefix(taken);
    filled += made;
    if (state.stream.block_state == ISAL_BLOCK_FINISH) {
      state.place = State::Place::between;
    } else if (made == 0 && taken == 0) {
      if (state.input.empty()) break;
      state.damaged = true;
      return not_gzip("it does not go on");
    }
  }
  return filled;
}

Result<void> GzipReader::finish() {
  if (state_->damaged) return not_gzip("it was found damaged before");
  if (state_->place == State::Place::before_first) return not_gzip("it is empty");
  if (state_->place == State::Place::inside) return not_gzip("it ends in the middle");
  return {};
}

std::string gzip(std::string_view bytes) {
  std::string out;
  GzipWriter writer;
  writer.write(bytes, out);
  writer.finish(out);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, std::uint64_t bytes_max) {
  GzipReader reader;
  reader.feed(bytes);
  std::string out;
  for (;;) {
    const std::size_t before = out.size();
    const std::size_t step = std::clamp<std::size_t>(before == 0 ? bytes.size() * 4 : before, 4096, 64 << 20);
    out.resize(before + step);
    const std::size_t count = HR_TRY(reader.read(out.data() + before, step));
    out.resize(before + count);
    if (out.size() > bytes_max) {
      return Error{.what = "these bytes are too large when decompressed",
                   .why = "more than " + std::to_string(bytes_max) + " bytes come out"};
    }
    if (count == 0) break;
  }
  HR_TRY(reader.finish());
  return out;
}

bool compresses_well(std::string_view sample) { return gzip(sample).size() * 100 <= sample.size() * 95; }

}  // namespace headrace::codec
