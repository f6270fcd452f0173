#include "codec/tar.h"

#include <map>

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

struct Files : TarSink {
  Result<void> begin(const TarMember& member) override {
    name = member.name;
    executable[name] = member.executable;
    return {};
  }
  Result<void> content(std::string_view bytes) override {
    files[name] += bytes;
    return {};
  }
  Result<void> end() override {
    files[name];
    return {};
  }
  std::string name;
  std::map<std::string, std::string> files;
  std::map<std::string, bool> executable;
};

/// What is in an archive that comes in pieces of so many bytes, or the error.
Result<std::map<std::string, std::string>> read(std::string_view archive, std::size_t piece) {
  Files sink;
  TarReader reader(sink);
  for (std::size_t at = 0; at < archive.size(); at += piece) HR_TRY(reader.feed(archive.substr(at, piece)));
  HR_TRY(reader.finish());
  return sink.files;
}

std::string written(const std::map<std::string, std::string>& files) {
  std::string out;
  TarWriter writer;
  for (const auto& [name, content] : files) writer.add(name, content, 1'575'360'000, out);
  writer.finish(out);
  return out;
}

TEST(Tar, WhatIsWrittenIsReadBackInPiecesOfAnySize) {
  const std::map<std::string, std::string> files = {
      {"a", ""}, {"dir/b.py", std::string(512, 'x')}, {"dir/c", std::string(1000, 'y')}, {std::string(99, 'n') + "/" + std::string(150, 'm'), "long"}};
  const std::string archive = written(files);
  EXPECT_EQ(archive.size() % 512, 0u);
  for (const std::size_t piece : {1u, 7u, 511u, 512u, 513u, 100'000u}) {
    const auto again = read(archive, piece);
    ASSERT_TRUE(again.ok()) << to_text(again.error());
    EXPECT_EQ(*again, files);
  }
}

TEST(Tar, CutOffArchiveIsAnError) {
  const std::string archive = written({{"a", std::string(700, 'x')}});
  for (const std::size_t size : {100u, 512u, 600u, 1024u}) {
    EXPECT_FALSE(read(std::string_view(archive).substr(0, size), 512).ok()) << size;
  }
  // The two empty blocks at the end may be missing.
  EXPECT_TRUE(read(std::string_view(archive).substr(0, 512 + 1024), 512).ok());
}

TEST(Tar, NamesThatLeadOutAreRefused) {
  for (const char* name : {"/etc/passwd", "../up", "a/../../b", "a//b", "a/./b"}) {
    const auto got = read(written({{name, "x"}}), 512);
    ASSERT_FALSE(got.ok()) << name;
    EXPECT_NE(got.error().what.find(name), std::string::npos);
  }
  EXPECT_EQ(read(written({{"./a", "x"}}), 512)->begin()->first, "a");
}

TEST(Tar, LinksAreRefusedAndDamageIsFound) {
  std::string archive = written({{"link", "x"}});
  archive[0] = 'L';
  EXPECT_EQ(read(archive, 512).error().why, "the checksum of a header is wrong");
  archive = written({{"link", ""}});
  archive[156] = '2';  // A symbolic link; the checksum follows.
  const unsigned sum = 02 + 0;
  std::string digits(archive, 148, 6);
  const auto number = std::stoul(digits, nullptr, 8) + sum;
  char text[8];
  std::snprintf(text, sizeof text, "%06lo", number);
  archive.replace(148, 6, text);
  EXPECT_EQ(read(archive, 512).error().what, "the archive's member `link` is not a file");
}

}  // namespace
}  // namespace headrace::codec
