#include "s3/stop_group.h"

#include <thread>

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

struct Thing final : Underway {
  void stop() override { ++stops; }
  int stops = 0;
};

TEST(StopGroup, EndsWhatIsInItAndRefusesWhatComes) {
  StopGroup group;
  Thing first;
  Thing removed;
  Thing late;
  EXPECT_TRUE(group.add(first));
  EXPECT_TRUE(group.add(removed));
  group.remove(removed);
  EXPECT_FALSE(group.stopped());
  group.stop();
  EXPECT_TRUE(group.stopped());
  EXPECT_EQ(first.stops, 1);
  EXPECT_EQ(removed.stops, 0);
  EXPECT_FALSE(group.add(late));
  EXPECT_FALSE(group.pause(1h));
}

TEST(StopGroup, AGroupInAnotherEndsWithIt) {
  StopGroup above;
  Thing thing;
  {
    SubGroup ended_before{above};
  }
  SubGroup below{above};
  EXPECT_TRUE(below->add(thing));
  std::thread waiting([&] { EXPECT_FALSE(below->pause(1h)); });
  above.stop();
  waiting.join();
  EXPECT_EQ(thing.stops, 1);
  SubGroup late{above};
  EXPECT_TRUE(late->stopped());
}

TEST(StopGroup, ItsOwnEndLeavesTheOneAboveAlone) {
  StopGroup above;
  SubGroup below{above};
  below->stop();
  EXPECT_FALSE(above.stopped());
  EXPECT_TRUE(above.pause(1ms));
}

}  // namespace
}  // namespace headrace::s3
