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

namespace {

Error not_gzip(std::string why) {
  return Error{.what = "these bytes are not valid gzip", .why = std::move(why)};
}

/// The header of a member (RFC 1952), byte by byte: ISA-L's own reader gives another result for a header in pieces. The
/// optional fields are skipped, as Python does.
class HeaderReader {
 public:
  /// True when `byte` was the last one.
  Result<bool> take(unsigned char byte) {
    switch (part_) {
      case Part::fixed: {
        constexpr unsigned char kBegin[] = {0x1f, 0x8b, 8};
        if (count_ < 2 && byte != kBegin[count_]) return not_gzip("it does not begin as gzip does");
        if (count_ == 2 && byte != kBegin[2]) return not_gzip("its method of compression is not known");
        if (count_ == 3) flags_ = byte;
        if (++count_ == 10) go_on(Part::extra_length);
        break;
      }
      case Part::extra_length:
        extra_bytes_ |= static_cast<unsigned>(byte) << (8 * count_);
        if (++count_ == 2) go_on(extra_bytes_ > 0 ? Part::extra : Part::name);
        break;
      case Part::extra:
        if (++count_ == extra_bytes_) go_on(Part::name);
        break;
      case Part::name:
        if (byte == 0) go_on(Part::comment);
        break;
      case Part::comment:
        if (byte == 0) go_on(Part::checksum);
        break;
      case Part::checksum:
        if (++count_ == 2) go_on(Part::done);
        break;
      case Part::done: HR_CHECK(!"a header that is done takes no byte");
    }
    return part_ == Part::done;
  }

 private:
  enum class Part { fixed, extra_length, extra, name, comment, checksum, done };

  /// To `part`, or past it if the flags say that it is not there.
  void go_on(Part part) {
    count_ = 0;
    if (part == Part::extra_length && !(flags_ & 4)) part = Part::name;
    if (part == Part::name && !(flags_ & 8)) part = Part::comment;
    if (part == Part::comment && !(flags_ & 16)) part = Part::checksum;
    if (part == Part::checksum && !(flags_ & 2)) part = Part::done;
    part_ = part;
  }

  Part part_ = Part::fixed;
  unsigned char flags_ = 0;
  unsigned count_ = 0;  // Bytes of this part so far.
  unsigned extra_bytes_ = 0;
};

}  // namespace

struct GzipReader::State {
  State() { isal_inflate_init(&stream); }

  /// Zeros between members, and the header of the next one. Takes what it uses off `input`.
  Result<void> find_member() {
    if (place == Place::between) input.remove_prefix(std::min(input.find_first_not_of('\0'), input.size()));
    while (!input.empty()) {
      place = Place::header;
      const unsigned char byte = static_cast<unsigned char>(input.front());
      input.remove_prefix(1);
      if (!HR_TRY(header.take(byte))) continue;
      header = HeaderReader();
      isal_inflate_reset(&stream);
      stream.crc_flag = ISAL_GZIP_NO_HDR_VER;  // The checksum in the trailer is verified.
      place = Place::data;
      break;
    }
    return {};
  }

  enum class Place { before_first, header, data, between };

  inflate_state stream;
  HeaderReader header;
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
    case ISAL_INVALID_LOOKBACK: return "it refers to bytes before its begin";
    case ISAL_INVALID_SYMBOL:
    case ISAL_INVALID_BLOCK: return "a compressed block in it is damaged";
    default: return "it cannot be decompressed";
  }
}

}  // namespace

Result<std::size_t> GzipReader::read(char* out, std::size_t size) {
  State& state = *state_;
  if (state.damaged) return not_gzip("it was found damaged before");
  std::size_t filled = 0;
  while (filled < size) {
    if (state.place != State::Place::data) {
      if (auto found = state.find_member(); !found) {
        state.damaged = true;
        return std::move(found).error();
      }
      if (state.place != State::Place::data) break;
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
  if (state_->place != State::Place::between) return not_gzip("it ends in the middle");
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
