#include "store/run_lease.h"

#include <gtest/gtest.h>

#include "store/testing/place.h"

namespace headrace::store {
namespace {

using RunLease = testing::InEachPlace;

INSTANTIATE_TEST_SUITE_P(In, RunLease, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);

TEST_P(RunLease, IsWhatWasRenewedLast) {
  const FlowName flow("F");
  const RunId run("7");
  auto none = read_run_lease(backend_, flow, run);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  const WallTime first{std::chrono::seconds(1'700'000'000)};
  ASSERT_TRUE(renew_run_lease(backend_, flow, run, first).ok());
  ASSERT_TRUE(renew_run_lease(backend_, flow, run, first + std::chrono::seconds(5)).ok());
  auto found = read_run_lease(backend_, flow, run);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ(**found, first + std::chrono::seconds(5));
  ASSERT_TRUE(remove_run_lease(backend_, flow, run).ok());
  ASSERT_TRUE(remove_run_lease(backend_, flow, run).ok()) << "twice is harmless";
  auto gone = read_run_lease(backend_, flow, run);
  EXPECT_TRUE(gone.ok() && !gone->has_value());
}

TEST_P(RunLease, TextThatIsNoTimeSaysNothing) {
  ASSERT_TRUE(backend_.put("F/7/_headrace/lease", "soon").ok());
  auto found = read_run_lease(backend_, FlowName("F"), RunId("7"));
  EXPECT_TRUE(found.ok() && !found->has_value());
}

}  // namespace
}  // namespace headrace::store
