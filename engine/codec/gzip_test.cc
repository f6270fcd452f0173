#include "codec/gzip.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace headrace::codec {
namespace {

std::string random_bytes(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

std::string text_bytes(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; bytes.size() < size; ++i) bytes += "line " + std::to_string(i * 7) + "\n";
  bytes.resize(size);
  return bytes;
}

/// Reads `stored`, fed in pieces of `feed` bytes, taken in pieces of `take`.
Result<std::string> read_in_pieces(std::string_view stored, std::size_t feed, std::size_t take) {
  GzipReader reader;
  std::string out;
  std::string buffer(take, '\0');
  while (!stored.empty()) {
    const std::string piece(stored.substr(0, feed));  // A copy: what was fed before is gone.
    reader.feed(piece);
    while (const std::size_t count = HR_TRY(reader.read(buffer.data(), buffer.size()))) out.append(buffer, 0, count);
    stored.remove_prefix(piece.size());
  }
  HR_TRY(reader.finish());
  return out;
}

TEST(Gzip, ReadsBackEverySize) {
  for (const std::size_t size : {0u, 1u, 2u, 100u, 4095u, 65536u, 1'000'003u}) {
    EXPECT_EQ(gunzip(gzip(random_bytes(size, size))).value(), random_bytes(size, size)) << size;
    EXPECT_EQ(gunzip(gzip(text_bytes(size))).value(), text_bytes(size)) << size;
  }
}

TEST(Gzip, HeaderIsOrdinary) {
  const std::string stored = gzip("x");
  EXPECT_EQ(stored.substr(0, 4), std::string("\x1f\x8b\x08\x00", 4));
  EXPECT_EQ(stored.substr(4, 4), std::string(4, '\0'));  // No time: equal bytes give equal files.
}

// Written by Python's gzip.compress(b"hello hello hello hello", 3).
TEST(Gzip, ReadsWhatPythonWrote) {
  const std::string stored("\x1f\x8b\x08\x00\x9c\x00\x27\x69\x00\xff\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01\xe3\x51\x3d\x8d"
                           "\x17\x00\x00\x00", 28);
  EXPECT_EQ(gunzip(stored).value(), "hello hello hello hello");
}

TEST(Gzip, WriterAndReaderInPieces) {
  const std::string bytes = text_bytes(300'000) + random_bytes(100'000, 1);
  std::string stored;
  GzipWriter writer;
  for (std::size_t i = 0; i < bytes.size(); i += 12'345) writer.write(std::string_view(bytes).substr(i, 12'345), stored);
  writer.finish(stored);
  EXPECT_LT(stored.size(), bytes.size());
  EXPECT_EQ(read_in_pieces(stored, 1, 100'000).value(), bytes);
  EXPECT_EQ(read_in_pieces(stored, 1000, 7).value(), bytes);
  EXPECT_EQ(read_in_pieces(stored, stored.size(), bytes.size() * 2).value(), bytes);
}

TEST(Gzip, SeveralMembersAndZerosAfterThem) {
  const std::string stored = gzip("one ") + gzip("") + gzip("two") + std::string(100, '\0');
  EXPECT_EQ(gunzip(stored).value(), "one two");
  EXPECT_EQ(read_in_pieces(stored, 1, 3).value(), "one two");
}

TEST(Gzip, EveryCutIsFound) {
  const std::string stored = gzip(text_bytes(500));
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(gunzip(std::string_view(stored).substr(0, size)).ok()) << size;
  }
}

TEST(Gzip, NoFlippedBitChangesWhatComesOut) {
  const std::string bytes = text_bytes(300);
  const std::string stored = gzip(bytes);
  for (std::size_t i = 10; i < stored.size(); ++i) {  // The header's time and system may differ.
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = stored;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto read = gunzip(damaged);
      EXPECT_TRUE(!read.ok() || *read == bytes) << i << " " << bit;  // Equal: bits that only fill up the last byte.
    }
  }
}

TEST(Gzip, SaysWhatIsWrong) {
  EXPECT_EQ(gunzip("").error().why, "it is empty");
  EXPECT_EQ(gunzip("no gzip at all").error().why, "it does not begin as gzip does");
  EXPECT_EQ(gunzip(gzip("x") + "trailing").error().why, "it does not begin as gzip does");
  std::string damaged = gzip("x");
  damaged[damaged.size() - 5] ^= 1;
  EXPECT_EQ(gunzip(damaged).error().why, "the checksum at its end is another");
}

TEST(Gzip, SkipsTheFieldsOfAHeader) {
  const std::string plain = gzip("x");
  std::string all = plain.substr(0, 3) + "\x1e" + plain.substr(4, 6);  // Extra field, name, comment, checksum.
  all += std::string("\x03\x00" "abc" "name\0" "comment\0" "\x12\x34", 20) + plain.substr(10);
  EXPECT_EQ(gunzip(all).value(), "x");
  EXPECT_EQ(read_in_pieces(all + all, 1, 5).value(), "xx");
}

// Here ISA-L ends with an error and the count of input left at -1.
TEST(Gzip, DamageAtTheVeryEnd) {
  const std::string stored("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x18\x52\x1f\x8b\x08\x00\x00\x40\x00"
                           "\x00\x01\x03\xcb\x48\xcd\xc9\x24", 34);
  EXPECT_FALSE(gunzip(stored).ok());
  EXPECT_FALSE(read_in_pieces(stored, 3, 97).ok());
}

TEST(Gzip, BoundsWhatComesOut) {
  const std::string stored = gzip(std::string(1'000'000, 'a'));
  EXPECT_TRUE(gunzip(stored, 1'000'000).ok());
  EXPECT_FALSE(gunzip(stored, 999'999).ok());
}

TEST(Gzip, TellsWhatCompresses) {
  EXPECT_TRUE(compresses_well(text_bytes(10'000)));
  EXPECT_FALSE(compresses_well(random_bytes(10'000, 7)));
}

}  // namespace
}  // namespace headrace::codec
