#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"

namespace headrace::launch {

/// No wait is silent for longer.
inline constexpr Duration kNoteAgain = 30s;
/// What each pod goes through is not worth a line before it lasts this long.
inline constexpr Duration kOrdinaryWait = 2s;
/// So many tasks that wait for the same say so in `kNoteAgain`.
inline constexpr std::size_t kSpeakersMax = 16;

/// When one pod says why it waits: at once when it is out of the ordinary, again when the reason changes, and each half minute.
class WaitNotes {
 public:
  /// Is a line due? `next` becomes when one would be.
  bool due(const std::string& key, bool ordinary, Instant now, std::optional<Instant>& next) {
    const std::string called = ordinary ? "ordinary" : key;
    if (called != key_) {
      key_ = called;
      since_ = now;
      said_.reset();
    }
    const Instant at = said_ ? *said_ + kNoteAgain : since_ + (ordinary ? kOrdinaryWait : Duration{0});
    if (now < at) {
      next = at;
      return false;
    }
    said_ = now;
    next = now + kNoteAgain;
    return true;
  }

 private:
  std::string key_;
  Instant since_{};
  std::optional<Instant> said_;
};

/// Tasks that wait for the same. When thousands do, a few of them speak in each half minute, and the first counts the others.
class WaitCrowd {
 public:
  /// Asked by who has a line due: nullopt, be silent; else the number of others that were silent in the half minute before.
  std::optional<std::size_t> speak(Instant now) {
    if (!began_ || now - *began_ >= kNoteAgain) {
      began_ = now;
      speakers_ = 1;
      return std::exchange(silent_, 0);
    }
    if (speakers_ < kSpeakersMax) {
      ++speakers_;
      return 0;
    }
    ++silent_;
    return std::nullopt;
  }

 private:
  std::optional<Instant> began_;
  std::size_t speakers_ = 0;
  std::size_t silent_ = 0;
};

}  // namespace headrace::launch
