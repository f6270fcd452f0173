#pragma once

#include <cstdint>
#include <random>

namespace headrace {

/// The only source of chance, passed as an argument: the same seed gives the same run.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  [[nodiscard]] std::uint64_t next() { return engine_(); }
  /// Uniform in [0, bound); bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  /// True `percent` times in a hundred.
  [[nodiscard]] bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace headrace
