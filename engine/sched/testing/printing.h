#pragma once

#include <string>
#include <vector>

#include "sched/command.h"
#include "sched/event.h"

/// Commands and events as short texts: what a test compares, and what a replayed seed prints.
namespace headrace::sched::testing {

/// `start 3 work[1] attempt 0 <- start/1`
std::string to_text(const flow::Graph& graph, const Command& command);
std::vector<std::string> to_texts(const flow::Graph& graph, const std::vector<Command>& commands);
std::string to_text(const Event& event);

}  // namespace headrace::sched::testing
