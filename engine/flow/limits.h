#pragma once

#include <cstdint>

namespace headrace::flow {

/// What the user bounded for one run, with Metaflow's defaults.
struct Limits {
  int max_workers = 16;                        ///< attempts at one time, >= 1
  std::int64_t max_num_splits = 100;           ///< children of one foreach
  std::int64_t max_log_bytes = 10'485'760;     ///< stored bytes of one stream of one attempt
};

}  // namespace headrace::flow
