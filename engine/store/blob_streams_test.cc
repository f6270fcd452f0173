#include "store/blob_streams.h"

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/sha1.h"
#include "store/testing/place.h"

namespace headrace::store {
namespace {

std::string noise(std::size_t size) {
  Random random{9};
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

std::uint64_t address_of(const char* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

/// The streams move bytes between this process and itself: the kernel's calls are the same.
class BlobStreamsTest : public testing::InEachPlace {
 protected:
  void SetUp() override {
    auto key = blobs_.put(bytes_);
    ASSERT_TRUE(key.ok());
    key_ = *key;
  }
  std::shared_ptr<BlobStream> open() {
    auto reader = blobs_.reader(key_, {.name = "x", .path = "1/a/2"});
    EXPECT_TRUE(reader.ok());
    return std::make_shared<BlobStream>(*std::move(reader));
  }

  BlobStore blobs_{backend_, FlowName{"F"}};
  std::string bytes_ = noise((9 << 20) + 5);
  BlobKey key_;
};

INSTANTIATE_TEST_SUITE_P(In, BlobStreamsTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(BlobStreamsTest, BytesGoStraightIntoTheProcess) {
  const auto stream = open();
  std::string memory(bytes_.size() + 100, '\0');
  std::size_t used = 0;
  for (;;) {
    auto piece = stream->read_into(2'000'003, ::getpid(), address_of(memory.data() + used));
    ASSERT_TRUE(piece.ok()) << to_text(piece.error());
    EXPECT_TRUE(piece->in_place);
    if (piece->length == 0) break;
    used += piece->length;
  }
  EXPECT_EQ(used, bytes_.size());
  EXPECT_TRUE(std::string_view{memory}.substr(0, used) == bytes_);
}

TEST_P(BlobStreamsTest, MemoryThatCannotBeWrittenGivesPayloadAndLosesNothing) {
  const auto stream = open();
  std::string found;
  for (int i = 0;; ++i) {
    auto piece = i % 2 == 0 ? stream->read_into(700'000, ::getpid(), 8) : stream->read(300'000);
    ASSERT_TRUE(piece.ok());
    EXPECT_TRUE(!piece->in_place || piece->length == 0);
    if (piece->length == 0) break;
    EXPECT_EQ(piece->bytes.size(), piece->length);
    found += piece->bytes;
  }
  EXPECT_TRUE(found == bytes_);
}

TEST_P(BlobStreamsTest, AReadEndsWhereTheMemoryEnds) {
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* map = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(map, MAP_FAILED);
  ASSERT_EQ(::munmap(static_cast<char*>(map) + page, page), 0);
  const auto stream = open();
  const char* memory = static_cast<const char*>(map);
  auto piece = stream->read_into(2 * page, ::getpid(), address_of(memory));
  ASSERT_TRUE(piece.ok());
  EXPECT_TRUE(piece->in_place);
  ASSERT_EQ(piece->length, page);
  EXPECT_TRUE(std::string_view(memory, page) == std::string_view{bytes_}.substr(0, page));
  auto next = stream->read(10);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next->bytes, bytes_.substr(page, 10));
  ::munmap(map, page);
}

TEST_P(BlobStreamsTest, DamageIsReportedInsteadOfTheEnd) {
  const std::string at = "F/data/" + key_.str().substr(0, 2) + "/" + key_.str();
  std::string damaged = bytes_;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  ASSERT_TRUE(backend_.remove(at).ok());
  ASSERT_TRUE(*backend_.put_blob(at, damaged, BlobForm::raw));
  const auto stream = open();
  std::string memory(bytes_.size(), '\0');
  auto piece = stream->read_into(memory.size(), ::getpid(), address_of(memory.data()));
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(piece->length, memory.size());
  piece = stream->read(100);
  ASSERT_FALSE(piece.ok());
  EXPECT_NE(to_text(piece.error()).find("artifact `x` of 1/a/2"), std::string::npos);
}

TEST_P(BlobStreamsTest, AStreamCanBeDroppedWhileItReadsAhead) {
  std::string memory(5 << 20, '\0');
  for (int i = 0; i < 10; ++i) {
    const auto stream = open();
    ASSERT_TRUE(stream->read_into(memory.size(), ::getpid(), address_of(memory.data())).ok());
  }
}

TEST_P(BlobStreamsTest, BytesAreTakenFromTheProcess) {
  for (const std::string& bytes : {noise(6'000'000), std::string(6'000'000, 'a'), std::string{"short"}}) {
    auto writer = blobs_.writer();
    ASSERT_TRUE(writer.ok());
    BlobStream stream{*std::move(writer)};
    ASSERT_TRUE(stream.write_from(bytes.size() / 2, ::getpid(), address_of(bytes.data())).ok());
    ASSERT_TRUE(stream.write(std::string_view{bytes}.substr(bytes.size() / 2)).ok());
    auto blob = stream.commit();
    ASSERT_TRUE(blob.ok());
    EXPECT_EQ(blob->key.str(), codec::sha1_hex(bytes));
    EXPECT_TRUE(*blobs_.get(blob->key) == bytes);
  }
}

TEST_P(BlobStreamsTest, MemoryThatCannotBeReadIsAskedForAsPayload) {
  auto writer = blobs_.writer();
  ASSERT_TRUE(writer.ok());
  BlobStream stream{*std::move(writer)};
  auto failed = stream.write_from(5'000'000, ::getpid(), 8);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, Kind::retry);
  EXPECT_EQ(failed.error().what, "memory");
  ASSERT_TRUE(stream.write("payload").ok());
  EXPECT_EQ(stream.commit()->key.str(), codec::sha1_hex("payload"));
  EXPECT_EQ(stream.read(1).error().kind, Kind::misuse);
}

TEST_P(BlobStreamsTest, TheTableIsBounded) {
  BlobStreams table;
  auto first = table.add(open());
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(table.find(*first).ok());
  EXPECT_EQ(table.find(77).error().kind, Kind::misuse);
  const auto shared = open();
  for (std::size_t i = 1; i < BlobStreams::kOpenMax; ++i) ASSERT_TRUE(table.add(shared).ok());
  EXPECT_EQ(table.add(shared).error().kind, Kind::misuse);
  EXPECT_TRUE(table.take(*first).ok());
  EXPECT_FALSE(table.find(*first).ok());
  EXPECT_TRUE(table.add(shared).ok());
}

}  // namespace
}  // namespace headrace::store
