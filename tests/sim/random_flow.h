#pragma once

#include "base/random.h"
#include "flow/graph.h"

namespace headrace::sim {

/// A valid flow of any shape the language has: branches, foreach, num_parallel, switches, recursion, all of them nested, joins
/// that split again, steps with retries, fallbacks and timeouts.
flow::Graph random_flow(Random& random);

}  // namespace headrace::sim
