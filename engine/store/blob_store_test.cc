#include "store/blob_store.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/gzip.h"
#include "codec/sha1.h"
#include "store/directory_backend.h"
#include "store/testing/faulty_backend.h"
#include "store/testing/place.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

std::string noise(std::size_t size) {
  Random random{7};
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

std::string prose(std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes += "line " + std::to_string(bytes.size()) + "\n";
  bytes.resize(size);
  return bytes;
}

std::string place_of(const BlobKey& key) { return "F/data/" + key.str().substr(0, 2) + "/" + key.str(); }

BlobKey write(BlobStore& blobs, const std::string& bytes, std::size_t piece) {
  auto writer = blobs.writer();
  EXPECT_TRUE(writer.ok());
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    EXPECT_TRUE((*writer)->append(std::string_view{bytes}.substr(at, piece)).ok());
  }
  auto blob = (*writer)->commit();
  EXPECT_TRUE(blob.ok());
  EXPECT_EQ(blob->size, bytes.size());
  return blob->key;
}

class BlobStoreTest : public testing::InEachPlace {
 protected:
  BlobForm form(const BlobKey& key) { return backend_.open_blob(place_of(key))->form; }
  std::string stored(const BlobKey& key) { return *backend_.get(place_of(key)); }
  std::string load_error(const BlobKey& key) {
    auto bytes = blobs_.get(key, {.name = "x", .path = "1/start/2"});
    return bytes ? "<loaded>" : to_text(bytes.error());
  }

  BlobStore blobs_{backend_, FlowName{"F"}};
};

/// What concerns files alone.
class BlobFilesTest : public ::testing::Test {
 protected:
  std::string path(const BlobKey& key) { return directory_.path() + "/" + place_of(key); }
  std::string marker(const BlobKey& key) { return *backend_.get(place_of(key) + "_meta"); }

  testing::TemporaryDirectory directory_;
  DirectoryBackend backend_{directory_.path()};
  BlobStore blobs_{backend_, FlowName{"F"}};
};

INSTANTIATE_TEST_SUITE_P(In, BlobStoreTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(BlobStoreTest, SmallBlobsHaveMetaflowsKeysAndForms) {
  const std::string pickled_true = "\x80\x04\x88.";
  auto key = blobs_.put(pickled_true);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->str(), "868436778cb011a1c6230bc12534683ab0b7f1c3");
  EXPECT_EQ(form(*key), BlobForm::raw);
  EXPECT_EQ(*blobs_.get(*key), pickled_true);

  const std::string text = prose(5000);
  auto compressed = blobs_.put(text);
  ASSERT_TRUE(compressed.ok());
  EXPECT_EQ(form(*compressed), BlobForm::gzip);
  EXPECT_LT(stored(*compressed).size(), text.size() / 2);
  EXPECT_EQ(*codec::gunzip(stored(*compressed)), text);
  EXPECT_EQ(*blobs_.get(*compressed), text);

  auto package = blobs_.put_raw(text + "package");
  ASSERT_TRUE(package.ok());
  EXPECT_EQ(stored(*package), text + "package");
  EXPECT_EQ(*blobs_.get(*package), text + "package");
}

TEST_P(BlobStoreTest, StreamsOfEverySizeComeBack) {
  for (const std::size_t size : {1UL, 1000UL, (1UL << 20) - 1, 1UL << 20, (5UL << 20) + 17}) {
    for (const std::size_t piece : {std::size_t{70'001}, std::size_t{3} << 20}) {
      for (const bool random : {false, true}) {
        SCOPED_TRACE(std::to_string(size) + " in pieces of " + std::to_string(piece) + (random ? ", noise" : ", prose"));
        const std::string bytes = (random ? noise(size) : prose(size));
        const BlobKey key = write(blobs_, bytes, piece);
        EXPECT_EQ(key.str(), codec::sha1_hex(bytes));
        EXPECT_EQ(form(key) == BlobForm::raw, random || size < 100);
        EXPECT_TRUE(*blobs_.get(key) == bytes);
        EXPECT_EQ(write(blobs_, bytes, piece), key);  // exists: nothing happens
        ASSERT_TRUE(backend_.remove(place_of(key)).ok());
      }
    }
  }
}

TEST_P(BlobStoreTest, ASampleDecidesForWhatFollows) {
  auto writer = blobs_.writer();
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->undecided());
  (*writer)->sample(noise(100'000));
  EXPECT_FALSE((*writer)->undecided());
  const std::string text = prose(2 << 20);
  ASSERT_TRUE((*writer)->append(text).ok());
  auto blob = (*writer)->commit();
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ(stored(blob->key).size(), text.size());
}

TEST_P(BlobStoreTest, DamageIsFoundAndNamed) {
  for (const std::string& bytes : {noise(3 << 20), prose(3 << 20)}) {
    const BlobKey key = write(blobs_, bytes, 1 << 20);
    const BlobForm as = form(key);
    std::string file = stored(key);
    const auto damage = [&](const std::string& damaged) {
      ASSERT_TRUE(backend_.remove(place_of(key)).ok());
      ASSERT_TRUE(*backend_.put_blob(place_of(key), damaged, as));
      const std::string error = load_error(key);
      EXPECT_NE(error.find("artifact `x` of 1/start/2 cannot be loaded"), std::string::npos) << error;
      EXPECT_NE(error.find(backend_.location(place_of(key))), std::string::npos) << error;
      EXPECT_NE(error.find("next:"), std::string::npos) << error;
    };
    std::string flipped = file;
    flipped[file.size() / 2] = static_cast<char>(flipped[file.size() / 2] ^ 0x10);
    damage(flipped);
    damage(file.substr(0, file.size() - 1));
    damage(file.substr(0, file.size() / 2));
    damage(file.substr(0, 1));
    damage("");
    damage(file + "more");
    ASSERT_TRUE(backend_.remove(place_of(key)).ok());
    EXPECT_NE(load_error(key).find("does not exist"), std::string::npos) << load_error(key);
    EXPECT_EQ(blobs_.get(key).error().kind, Kind::missing);
  }
}

TEST_F(BlobFilesTest, TheFormIsInMetaflowsMarker) {
  EXPECT_EQ(marker(*blobs_.put("x")), R"({"cas_raw": true, "cas_version": 1})");
  EXPECT_EQ(marker(*blobs_.put(prose(5000))), R"({"cas_raw": false, "cas_version": 1})");
}

TEST_F(BlobFilesTest, TheFormOfACodePackageStaysWhenAnotherStoresItMeanwhile) {
  const std::string package = codec::gzip(noise(1000));
  const std::string place = place_of(BlobKey{codec::sha1_hex(package)});
  EXPECT_TRUE(*backend_.put_blob(place, package, BlobForm::raw));
  EXPECT_FALSE(*backend_.put_blob(place, package, BlobForm::raw));
  EXPECT_EQ(backend_.open_blob(place)->form, BlobForm::raw);
}

TEST_F(BlobFilesTest, AnEmptyFileLeftByAPowerLossIsReplaced) {
  const std::string text = prose(3000);
  auto key = blobs_.put(text);
  ASSERT_TRUE(key.ok());
  std::ofstream{path(*key), std::ios::trunc};
  EXPECT_EQ(*blobs_.put(text), *key);
  EXPECT_EQ(*blobs_.get(*key), text);
  std::ofstream{path(*key), std::ios::trunc};
  EXPECT_EQ(write(blobs_, text, 1000), *key);
  EXPECT_EQ(*blobs_.get(*key), text);
}

TEST_F(BlobFilesTest, ReadsWhatMetaflowWritesWithAndWithoutMarker) {
  const std::string text = prose(4000);
  const BlobKey key{codec::sha1_hex(text)};
  const std::string blob = place_of(key);
  ASSERT_TRUE(backend_.put(blob, codec::gzip(text)).ok());
  EXPECT_EQ(*blobs_.get(key), text);  // no marker: gzip
  ASSERT_TRUE(backend_.put(blob + "_meta", R"({"cas_raw": false, "cas_version": 1})").ok());
  EXPECT_EQ(*blobs_.get(key), text);
  ASSERT_TRUE(backend_.put(blob, text).ok());  // raw, and the marker says gzip: the hash decides
  EXPECT_EQ(*blobs_.get(key), text);
}

TEST_P(BlobStoreTest, KeysThatAreNoKeysAreRefused) {
  for (const char* key : {"", "..", "../../etc/passwd", "868436778CB011A1C6230BC12534683AB0B7F1C3", "86"}) {
    EXPECT_EQ(blobs_.get(BlobKey{key}).error().kind, Kind::misuse) << key;
  }
}

TEST_F(BlobFilesTest, AnyFailureLeavesTheBlobWholeOrAbsent) {
  for (const std::string& bytes : {prose(100), noise(3 << 20), prose(3 << 20)}) {
    for (const bool streamed : {false, true}) {
      const BlobKey key{codec::sha1_hex(bytes)};
      for (int fail_at = 1;; ++fail_at) {
        ASSERT_LT(fail_at, 100);
        std::filesystem::remove_all(directory_.path() + "/F");
        testing::FaultyBackend faulty{backend_, fail_at};
        BlobStore blobs{faulty, FlowName{"F"}};
        bool ok = false;
        if (streamed) {
          auto writer = blobs.writer();
          ok = writer.ok() && (*writer)->append(bytes).ok() && (*writer)->commit().ok();
        } else {
          ok = blobs.put(bytes).ok();
        }
        auto loaded = blobs_.get(key);
        EXPECT_TRUE(ok ? loaded.ok() : !loaded.ok() && loaded.error().kind == Kind::missing) << fail_at;
        ASSERT_TRUE(blobs_.put(bytes).ok());  // what is left disturbs nobody
        EXPECT_TRUE(*blobs_.get(key) == bytes);
        if (!faulty.failed()) break;
        EXPECT_FALSE(ok);
      }
    }
  }
}

}  // namespace
}  // namespace headrace::store
