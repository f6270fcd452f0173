#include "base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "base/result.h"

namespace headrace {
namespace {

TEST(Error, PlacesAreAddedFromTheInsideOut) {
  Error error = Error{.what = "cannot read blob"}.at("artifact x").at("task 5/start/1");
  EXPECT_EQ(error.where, "artifact x, task 5/start/1");
}

TEST(Error, TextShowsOnlyThePartsThereAre) {
  EXPECT_EQ(to_text(Error{.what = "a", .next = "b"}), "error: a\n  next:  b");
  EXPECT_EQ(to_text(Error{.what = "a", .where = "w", .why = "y", .next = "n"}),
            "error: a\n  where: w\n  why:   y\n  next:  n");
}

TEST(Error, SystemErrorsFoldIntoKinds) {
  EXPECT_EQ(system_error(ENOENT, "x").kind, Kind::missing);
  EXPECT_EQ(system_error(EACCES, "x").kind, Kind::denied);
  EXPECT_EQ(system_error(EIO, "x").kind, Kind::failed);
  EXPECT_EQ(system_error(ENOSPC, "x").why, "No space left on device");
}

TEST(Error, KindsHaveNames) {
  for (Kind kind : {Kind::retry, Kind::missing, Kind::denied, Kind::misuse, Kind::failed}) {
    EXPECT_EQ(kind_from(to_string(kind)), kind);
  }
}

Result<int> half(int number) {
  if (number % 2 != 0) return Error{.kind = Kind::misuse, .what = "odd"};
  return number / 2;
}

Result<int> quarter(int number) {
  int halved = HR_TRY(half(number));
  return HR_TRY(half(halved));
}

TEST(Result, TryReturnsTheFirstError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().what, "odd");
}

TEST(ResultDeathTest, ValueOfAFailureStops) { EXPECT_DEATH(static_cast<void>(half(1).value()), "internal error: ok\\(\\)"); }

}  // namespace
}  // namespace headrace
