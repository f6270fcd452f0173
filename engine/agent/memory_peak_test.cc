#include "agent/memory_peak.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "store/testing/temporary_directory.h"

namespace headrace::agent {
namespace {

struct Groups {
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder.path() + "/" + name).parent_path());
    std::ofstream(folder.path() + "/" + name) << text;
  }
  MemoryPeak peak() { return MemoryPeak({.root = folder.path(), .membership = folder.path() + "/membership"}); }
  store::testing::TemporaryDirectory folder;
};

TEST(MemoryPeak, VersionTwoKeepsThePeak) {
  Groups groups;
  groups.write("membership", "0::/\n");
  groups.write("memory.peak", "4096000\n");
  groups.write("memory.current", "1024\n");
  EXPECT_EQ(groups.peak().sample_kb(), 4000);
}

TEST(MemoryPeak, OlderKernelIsLookedAtEachTime) {
  Groups groups;
  groups.write("membership", "0::/kubepods/pod1\n");
  groups.write("kubepods/pod1/memory.current", "2048000\n");
  MemoryPeak peak = groups.peak();
  EXPECT_EQ(peak.sample_kb(), 2000);
  groups.write("kubepods/pod1/memory.current", "1024\n");
  EXPECT_EQ(peak.sample_kb(), 2000);
}

TEST(MemoryPeak, VersionOneWhereOnlyTheMountIsTheContainers) {
  Groups groups;
  groups.write("membership", "5:cpu,cpuacct:/kubepods/x\n4:memory:/kubepods/x\n0::/\n");
  groups.write("memory/memory.max_usage_in_bytes", "1024000\n");
  EXPECT_EQ(groups.peak().sample_kb(), 1000);
}

TEST(MemoryPeak, NothingIsKnownWithoutGroups) {
  Groups groups;
  EXPECT_EQ(groups.peak().sample_kb(), 0);
}

}  // namespace
}  // namespace headrace::agent
