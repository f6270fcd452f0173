#include "agent/code_package.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/tar.h"
#include "store/directory_backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::agent {
namespace {

struct World {
  wire::CodePackage put(const std::string& archive) {
    auto key = blobs.put_raw(codec::gzip(archive));
    return {.sha = key->str(), .url = "s3://b/" + key->str(), .metadata = {}};
  }
  std::string read(const std::string& name) {
    std::ifstream file(target + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  store::testing::TemporaryDirectory folder;
  store::DirectoryBackend data{folder.path() + "/data"};
  store::BlobStore blobs{data, FlowName("F")};
  std::string target = folder.path() + "/target";
};

TEST(CodePackage, IsUnpackedWithItsFolders) {
  World world;
  std::string archive;
  codec::TarWriter writer;
  writer.add(".mf_code/headrace/__init__.py", "x = 1\n", 0, archive);
  writer.add("flow.py", std::string(70'000, '#'), 0, archive);
  writer.finish(archive);
  const auto unpacked = unpack_code(world.blobs, world.put(archive), world.target);
  ASSERT_TRUE(unpacked.ok()) << to_text(unpacked.error());
  EXPECT_EQ(world.read(".mf_code/headrace/__init__.py"), "x = 1\n");
  EXPECT_EQ(world.read("flow.py").size(), 70'000u);
}

TEST(CodePackage, ErrorsNameThePackageAndTheFile) {
  World world;
  const auto none = unpack_code(world.blobs, {.sha = std::string(40, 'a'), .url = "s3://b/a", .metadata = {}}, world.target);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, Kind::missing);
  EXPECT_NE(none.error().where.find("s3://b/a"), std::string::npos);
  std::string archive;
  codec::TarWriter().add("../flow.py", "x", 0, archive);
  const auto outside = unpack_code(world.blobs, world.put(archive), world.target);
  ASSERT_FALSE(outside.ok());
  EXPECT_FALSE(std::filesystem::exists(world.folder.path() + "/flow.py"));
  archive.clear();
  codec::TarWriter().add("flow.py", "x", 0, archive);
  std::ofstream(world.folder.path() + "/file") << "x";
  const auto blocked = unpack_code(world.blobs, world.put(archive), world.folder.path() + "/file");
  ASSERT_FALSE(blocked.ok());
  EXPECT_NE(blocked.error().where.find(world.folder.path() + "/file"), std::string::npos) << blocked.error().where;
}

}  // namespace
}  // namespace headrace::agent
