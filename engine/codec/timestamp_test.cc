#include "codec/timestamp.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

const WallTime kTime{std::chrono::microseconds(1767323045678901)};

TEST(Timestamp, IsoBothWays) {
  EXPECT_EQ(to_iso(kTime), "2026-01-02T03:04:05.678901");
  EXPECT_EQ(from_iso("2026-01-02T03:04:05.678901"), kTime);
  EXPECT_EQ(from_iso("2026-01-02T03:04:05.678901Z"), kTime);
  EXPECT_EQ(to_iso(WallTime{}), "1970-01-01T00:00:00.000000");
  EXPECT_EQ(to_iso(WallTime{std::chrono::microseconds(-1)}), "1969-12-31T23:59:59.999999");
}

TEST(Timestamp, FractionMayBeShort) {
  EXPECT_EQ(from_iso("2026-01-02T03:04:05"), kTime - std::chrono::microseconds(678901));
  EXPECT_EQ(from_iso("2026-01-02T03:04:05.6"), kTime - std::chrono::microseconds(78901));
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const char* text : {"", "x", "2026-13-02T03:04:05", "2026-02-30T03:04:05", "2026-01-02 03:04:05", "2026-01-02T24:04:05",
                           "2026-01-02T03:04:05.", "2026-01-02T03:04:05.1234567", "2026-01-02T03:04:05x", "2026-01-02T03:04:5",
                           "2026-01-02T03:04:05.-1"}) {
    EXPECT_EQ(from_iso(text), std::nullopt) << text;
  }
}

TEST(Timestamp, ConsoleTimeIsLocalAndCut) {
  EXPECT_EQ(to_console_time(kTime, [](WallTime) { return 0; }), "2026-01-02 03:04:05.678");
  EXPECT_EQ(to_console_time(kTime, [](WallTime) { return 5 * 3600 + 1800; }), "2026-01-02 08:34:05.678");
  EXPECT_EQ(to_console_time(kTime + std::chrono::microseconds(98), [](WallTime) { return -4 * 3600; }), "2026-01-01 23:04:05.678");
}

TEST(Timestamp, EpochSecondsAsPythonWritesThem) { EXPECT_EQ(to_epoch_seconds(kTime), "1767323045.678901"); }

}  // namespace
}  // namespace headrace::codec
