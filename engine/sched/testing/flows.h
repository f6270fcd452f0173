#pragma once

#include <string>
#include <vector>

#include "flow/graph.h"

/// Graphs for tests, in few words.
namespace headrace::sched::testing {

flow::StepSpec linear(std::string name, std::string next);
flow::StepSpec join(std::string name, std::string next);
flow::StepSpec split(std::string name, std::vector<std::string> next, std::string matching_join);
flow::StepSpec foreach(std::string name, std::string next, std::string matching_join);
flow::StepSpec parallel(std::string name, std::string next, std::string matching_join);
flow::StepSpec switch_(std::string name, std::vector<std::string> next);
flow::StepSpec end(std::string name = "end");
/// The step, run as a pod.
flow::StepSpec pod(flow::StepSpec step);

/// From `start` to `end`; the graph must be a valid one.
flow::Graph graph(std::vector<flow::StepSpec> steps);

/// start -> work (foreach) -> gather -> end
flow::Graph foreach_flow();

}  // namespace headrace::sched::testing
