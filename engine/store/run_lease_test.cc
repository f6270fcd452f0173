#include "store/run_lease.h"

#include <gtest/gtest.h>

#include "store/directory_backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

TEST(RunLease, IsWhatWasRenewedLast) {
  testing::TemporaryDirectory folder;
  DirectoryBackend data(folder.path());
  const FlowName flow("F");
  const RunId run("7");
  auto none = read_run_lease(data, flow, run);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  const WallTime first{std::chrono::seconds(1'700'000'000)};
  ASSERT_TRUE(renew_run_lease(data, flow, run, first).ok());
  ASSERT_TRUE(renew_run_lease(data, flow, run, first + std::chrono::seconds(5)).ok());
  auto found = read_run_lease(data, flow, run);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ(**found, first + std::chrono::seconds(5));
  ASSERT_TRUE(remove_run_lease(data, flow, run).ok());
  ASSERT_TRUE(remove_run_lease(data, flow, run).ok()) << "twice is harmless";
  auto gone = read_run_lease(data, flow, run);
  EXPECT_TRUE(gone.ok() && !gone->has_value());
}

TEST(RunLease, TextThatIsNoTimeSaysNothing) {
  testing::TemporaryDirectory folder;
  DirectoryBackend data(folder.path());
  ASSERT_TRUE(data.put("F/7/_headrace/lease", "soon").ok());
  auto found = read_run_lease(data, FlowName("F"), RunId("7"));
  EXPECT_TRUE(found.ok() && !found->has_value());
}

}  // namespace
}  // namespace headrace::store
