#include "run/memory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace headrace::run {
namespace {

/// Files as the kernel shows them, in a folder of this test.
class MemoryOfGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "hr-groups-" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  [[nodiscard]] std::uint64_t bytes() const { return memory_bytes({.root = folder_, .membership = folder_ + "/membership"}); }

  std::string folder_;
};

TEST_F(MemoryOfGroups, TheLeastLimitOnTheWayUpCounts) {
  write("membership", "0::/a/b\n");
  write("a/b/memory.max", "max\n");
  write("a/memory.max", "1048576\n");
  write("c/memory.max", "4096\n");
  EXPECT_EQ(bytes(), 1048576u);
  write("memory.max", "8192\n");
  EXPECT_EQ(bytes(), 8192u);
}

TEST_F(MemoryOfGroups, VersionOneHasAFolderOfItsOwn) {
  write("membership", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("memory/a/b/memory.limit_in_bytes", "2097152\n");
  write("cpu,cpuacct/x/memory.limit_in_bytes", "4096\n");
  EXPECT_EQ(bytes(), 2097152u);
}

TEST_F(MemoryOfGroups, WithoutALimitItIsTheMachines) {
  const std::uint64_t machine = bytes();
  EXPECT_GT(machine, 1u << 20);
  write("membership", "nonsense\n4:memory:/a\n");
  write("memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(bytes(), machine);
}

}  // namespace
}  // namespace headrace::run
