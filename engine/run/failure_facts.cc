#include "run/failure_facts.h"

#include <algorithm>
#include <string.h>

#include <fmt/format.h>

namespace headrace::run {

namespace {

std::string in_mb(std::uint64_t bytes) { return fmt::format("{} MB", bytes / 1'000'000); }

std::string asked(const FailureFact& fact) {
  if (!fact.resources) return "no @resources(memory=...) was asked for";
  return fmt::format("it asked for {} MB with @resources", fact.resources->memory_mb);
}

}  // namespace

void FailureFacts::add(std::uint32_t task, FailureFact fact) {
  auto [place, added] = facts_.insert_or_assign(task, std::move(fact));
  if (!added) return;
  order_.push_back(task);
  if (order_.size() > kKeptMax) {
    facts_.erase(order_.front());
    order_.erase(order_.begin());
  }
}

const FailureFact* FailureFacts::find(std::uint32_t task) const {
  auto found = facts_.find(task);
  return found == facts_.end() ? nullptr : &found->second;
}

std::string advice_for(const FailureFact& fact, std::uint64_t memory_bytes) {
  if (fact.pod_cause) {
    const Error& e = *fact.pod_cause;
    std::string text = e.what;
    if (!e.why.empty()) text += ": " + e.why;
    if (!e.next.empty()) text += "\n" + e.next;
    return text;
  }
  if (fact.not_started) {
    const Error& e = *fact.not_started;
    return e.why.empty() ? e.what : e.what + ": " + e.why;
  }
  if (fact.unfinished) {
    return fmt::format("`{}` exited with code 0 before its step had ended (`os._exit` in user code?): nothing was stored",
                       fact.label);
  }
  if (fact.trouble) {
    const Error& e = *fact.trouble;
    std::string text = "The datastore failed: " + e.what;
    if (!e.where.empty()) text += " (" + e.where + ")";
    if (!e.why.empty()) text += ": " + e.why;
    return text;
  }
  bool too_large = fact.resources && static_cast<std::uint64_t>(fact.resources->memory_mb) * 1'000'000 > memory_bytes;
  if (too_large) {
    return fmt::format("`{}` asked for {} MB with @resources, this machine has {}: try `--with kubernetes`", fact.step,
                       fact.resources->memory_mb, in_mb(memory_bytes));
  }
  if (fact.signal == 9 && !fact.killed_by_us && fact.oom) {
    return fmt::format("The kernel killed `{}` for lack of memory: it used {} at its peak, {}; this machine has {}", fact.label,
                       in_mb(static_cast<std::uint64_t>(fact.peak_kb) * 1024), asked(fact), in_mb(memory_bytes));
  }
  if (fact.signal != 0 && !fact.killed_by_us) {
    return fmt::format("`{}` was killed by signal {} ({}); it used {} of memory at its peak", fact.label, fact.signal,
                       ::strsignal(fact.signal), in_mb(static_cast<std::uint64_t>(fact.peak_kb) * 1024));
  }
  return {};
}

}  // namespace headrace::run
