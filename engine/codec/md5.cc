// MD5 (RFC 1321) of several messages at once.
#include "codec/md5.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "codec/hex.h"

namespace headrace::codec {

namespace {

constexpr std::size_t kBlockBytes = 64;

/// One number of each lane.
using Lanes [[gnu::vector_size(4 * kMd5Lanes)]] = std::uint32_t;
using Blocks = std::array<const unsigned char*, kMd5Lanes>;

struct State {
  Lanes a, b, c, d;
};

/// floor(2^32 * |sin(i + 1)|)
constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
    0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
    0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
    0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
    0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
    0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr std::array<std::array<unsigned, 4>, 4> kTurns = {{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

[[gnu::always_inline]] inline std::uint32_t word_at(const unsigned char* bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  return word;
}

/// One block of every lane.
[[gnu::always_inline]] inline void add_blocks(State& state, const Blocks& blocks) {
  std::array<Lanes, 16> words;
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) words[i][lane] = word_at(blocks[lane] + 4 * i);
  }
  State now = state;
#pragma GCC unroll 64
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t round = i / 16;
    const Lanes mixed = round == 0   ? now.d ^ (now.b & (now.c ^ now.d))
                        : round == 1 ? now.c ^ (now.d & (now.b ^ now.c))
                        : round == 2 ? now.b ^ now.c ^ now.d
                                     : now.c ^ (now.b | ~now.d);
    const std::size_t word = (round == 0 ? i : round == 1 ? 5 * i + 1 : round == 2 ? 3 * i + 5 : 7 * i) % 16;
    const unsigned turn = kTurns[round][i % 4];
    const Lanes sum = now.a + mixed + words[word] + kSines[i];
    now = {.a = now.d, .b = now.b + ((sum << turn) | (sum >> (32 - turn))), .c = now.b, .d = now.c};
  }
  state = {.a = state.a + now.a, .b = state.b + now.b, .c = state.c + now.c, .d = state.d + now.d};
}

using AddBlocks = void (*)(State&, const Blocks&);

void add_blocks_plain(State& state, const Blocks& blocks) { add_blocks(state, blocks); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void add_blocks_avx2(State& state, const Blocks& blocks) { add_blocks(state, blocks); }

AddBlocks best() { return __builtin_cpu_supports("avx2") ? add_blocks_avx2 : add_blocks_plain; }
#else
AddBlocks best() { return add_blocks_plain; }
#endif

/// A message in blocks; the last one or two are of its end, a bit, and its length.
class Message {
 public:
  explicit Message(std::string_view bytes) : bytes_(bytes), whole_(bytes.size() / kBlockBytes) {
    const std::size_t rest = bytes.size() % kBlockBytes;
    blocks_ = whole_ + (rest + 9 > kBlockBytes ? 2 : 1);
    std::memcpy(end_.data(), bytes.data() + whole_ * kBlockBytes, rest);
    end_[rest] = 0x80;
    const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
    unsigned char* length = end_.data() + (blocks_ - whole_) * kBlockBytes - 8;
    for (unsigned i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(bits >> (8 * i));
  }

  [[nodiscard]] std::size_t blocks() const { return blocks_; }
  [[nodiscard]] const unsigned char* block(std::size_t i) const {
    if (i < whole_) return reinterpret_cast<const unsigned char*>(bytes_.data()) + i * kBlockBytes;
    return end_.data() + std::min(i - whole_, std::size_t{1}) * kBlockBytes;  // what follows the end is computed and not used
  }

 private:
  std::string_view bytes_;
  std::size_t whole_;
  std::size_t blocks_;
  std::array<unsigned char, 2 * kBlockBytes> end_{};
};

std::string hex_of(const State& state, std::size_t lane) {
  std::array<unsigned char, 16> digest;
  std::size_t at = 0;
  for (const std::uint32_t word : {state.a[lane], state.b[lane], state.c[lane], state.d[lane]}) {
    for (unsigned i = 0; i < 4; ++i) digest[at++] = static_cast<unsigned char>(word >> (8 * i));
  }
  return to_hex(digest);
}

/// Of at most kMd5Lanes messages.
void hash_side_by_side(std::span<const std::string_view> messages, std::span<std::string> found) {
  static const AddBlocks add = best();
  std::vector<Message> each(messages.begin(), messages.end());
  std::size_t most = 0;
  for (const Message& message : each) most = std::max(most, message.blocks());
  State state = {.a = Lanes{} + 0x67452301, .b = Lanes{} + 0xefcdab89, .c = Lanes{} + 0x98badcfe, .d = Lanes{} + 0x10325476};
  Blocks blocks{};
  for (std::size_t i = 0; i < most; ++i) {
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) blocks[lane] = each[std::min(lane, each.size() - 1)].block(i);
    add(state, blocks);
    for (std::size_t lane = 0; lane < each.size(); ++lane) {
      if (each[lane].blocks() == i + 1) found[lane] = hex_of(state, lane);
    }
  }
}

}  // namespace

std::vector<std::string> md5_hex(std::span<const std::string_view> messages) {
  std::vector<std::string> found(messages.size());
  for (std::size_t first = 0; first < messages.size(); first += kMd5Lanes) {
    const std::size_t count = std::min(kMd5Lanes, messages.size() - first);
    hash_side_by_side(messages.subspan(first, count), std::span(found).subspan(first, count));
  }
  return found;
}

}  // namespace headrace::codec
