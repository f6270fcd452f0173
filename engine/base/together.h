#pragma once

#include <cstddef>
#include <functional>

#include "base/result.h"

namespace headrace {

/// Does `work(0)` to `work(count - 1)`, begun in this order, up to `at_once` of them side by side: on the calling thread and, when
/// there is more than one, on helpers of which a process has a bounded number (with none free the caller does all). Returns when
/// none runs any more. After an error none is begun; the error of the lowest number is returned.
Result<void> together(std::size_t count, std::size_t at_once, const std::function<Result<void>(std::size_t)>& work);

}  // namespace headrace
