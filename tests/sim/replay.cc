#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/world.h"

/// sim_replay --seed N: everything that happens in that world; exit code 1 if an invariant breaks.
int main(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "--seed") != 0) {
    std::fprintf(stderr, "usage: replay --seed N\n");
    return 2;
  }
  headrace::sim::World world(std::strtoull(argv[2], nullptr, 10));
  world.keep_log();
  const auto broken = world.play();
  for (const std::string& line : world.log()) std::printf("%s\n", line.c_str());
  std::printf("%s\n", broken ? ("broken: " + *broken).c_str() : "no invariant was broken");
  return broken ? 1 : 0;
}
