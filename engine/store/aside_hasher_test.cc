#include "store/aside_hasher.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

#include "base/random.h"

namespace headrace::store {
namespace {

TEST(AsideHasher, GivesTheSha1OfPiecesOfAnySize) {
  for (const std::size_t slot_bytes : {std::size_t{4096}, AsideHasher::kSlotBytesMax}) {
    for (const std::size_t total : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{2} << 20, (std::size_t{9} << 20) + 3}) {
      Random random{total + slot_bytes};
      AsideHasher hasher{slot_bytes};
      std::string all;
      while (all.size() < total) {
        const std::span<char> slot = hasher.slot();
        ASSERT_EQ(slot.size(), slot_bytes);
        // Mostly full slots, as a stream gives them, and some that are not.
        std::size_t size = random.chance(80) ? slot.size() : 1 + random.below(slot.size());
        size = std::min(size, total - all.size());
        std::memset(slot.data(), static_cast<int>(random.below(256)), size);
        const std::string_view added = hasher.add(size);
        all += added;
        EXPECT_EQ(added.size(), size);
      }
      EXPECT_EQ(hasher.finish_hex(), codec::sha1_hex(all)) << slot_bytes << " " << total;
    }
  }
}

TEST(AsideHasher, WhatWasAddedStaysWhileTheNextSlotIsFilled) {
  AsideHasher hasher;
  std::string_view before;
  for (int i = 0; i < 20; ++i) {
    const std::span<char> slot = hasher.slot();
    std::memset(slot.data(), 'a' + i, slot.size());
    EXPECT_EQ(before.find_first_not_of(static_cast<char>('a' + i - 1)), std::string_view::npos);
    before = hasher.add(slot.size());
  }
}

TEST(AsideHasher, HashesWithoutAThreadWhereTheSystemHasNoneLeft) {
  const auto without_threads = [] {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    const bool limited = ::setrlimit(RLIMIT_NPROC, &none) == 0 && (::getuid() != 0 || ::setuid(65534) == 0);  // root has no limit
    AsideHasher hasher;
    std::string all;
    for (int i = 0; i < 4; ++i) all += hasher.add(hasher.slot().size());
    std::_Exit(limited && hasher.finish_hex() == codec::sha1_hex(all) ? 0 : 1);
  };
  EXPECT_EXIT(without_threads(), testing::ExitedWithCode(0), "");
}

TEST(AsideHasher, CanBeDroppedAtAnyTime) {
  for (int adds = 0; adds < 6; ++adds) {
    AsideHasher hasher;
    for (int i = 0; i < adds; ++i) (void)hasher.add(hasher.slot().size());
  }
}

}  // namespace
}  // namespace headrace::store
