#include "launch/wait_notes.h"

#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

TEST(WaitNotes, AReasonIsSaidAtOnceAndEachHalfMinute) {
  WaitNotes notes;
  Instant now{};
  std::optional<Instant> next;
  EXPECT_TRUE(notes.due("no node", false, now, next));
  EXPECT_EQ(next, now + kNoteAgain);
  now += kNoteAgain - 1s;
  EXPECT_FALSE(notes.due("no node", false, now, next));
  EXPECT_TRUE(notes.due("no image", false, now, next));
  now += kNoteAgain;
  EXPECT_TRUE(notes.due("no image", false, now, next));
}

TEST(WaitNotes, TheOrdinaryIsSaidWhenItLasts) {
  WaitNotes notes;
  Instant now{};
  std::optional<Instant> next;
  EXPECT_FALSE(notes.due("pending", true, now, next));
  now += 1s;
  EXPECT_FALSE(notes.due("creating", true, now, next)) << "it is one wait";
  now += 1s;
  EXPECT_TRUE(notes.due("creating", true, now, next));
}

TEST(WaitCrowd, AFewSpeakForAll) {
  WaitCrowd crowd;
  Instant now{};
  std::size_t speakers = 0;
  for (int task = 0; task < 1000; ++task) speakers += crowd.speak(now).has_value() ? 1 : 0;
  EXPECT_EQ(speakers, kSpeakersMax);
  now += kNoteAgain;
  EXPECT_EQ(crowd.speak(now), 1000 - kSpeakersMax);
  EXPECT_EQ(crowd.speak(now), 0u);
}

TEST(WaitCrowd, AFewAloneAreNeverSilent) {
  WaitCrowd crowd;
  Instant now{};
  for (int round = 0; round < 3; ++round) {
    for (std::size_t task = 0; task < kSpeakersMax; ++task) EXPECT_EQ(crowd.speak(now), 0u);
    now += kNoteAgain;
  }
}

}  // namespace
}  // namespace headrace::launch
