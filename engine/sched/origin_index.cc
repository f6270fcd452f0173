#include "sched/origin_index.h"

#include <algorithm>
#include <utility>

namespace headrace::sched {
namespace {

std::string key_of(flow::StepIndex step, const std::vector<std::int64_t>& indices, std::int64_t iteration) {
  std::string key(sizeof step + sizeof iteration + indices.size() * sizeof(std::int64_t), '\0');
  char* at = std::copy_n(reinterpret_cast<const char*>(&step), sizeof step, key.data());
  at = std::copy_n(reinterpret_cast<const char*>(&iteration), sizeof iteration, at);
  std::copy_n(reinterpret_cast<const char*>(indices.data()), indices.size() * sizeof(std::int64_t), at);
  return key;
}

}  // namespace

OriginIndex::OriginIndex(Origin origin) : tasks_(std::move(origin.tasks)), clone_only_(origin.clone_only) {
  by_place_.reserve(tasks_.size());
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    const OriginTask& task = tasks_[i];
    const bool rerun = std::find(origin.rerun.begin(), origin.rerun.end(), task.step) != origin.rerun.end();
    if (task.ok && task.transition && !rerun) by_place_[key_of(task.step, task.indices, task.iteration)] = i;
  }
}

const OriginTask* OriginIndex::find(flow::StepIndex step, const std::vector<std::int64_t>& indices, std::int64_t iteration) const {
  const auto found = by_place_.find(key_of(step, indices, iteration));
  return found == by_place_.end() ? nullptr : &tasks_[found->second];
}

}  // namespace headrace::sched
