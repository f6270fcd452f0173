#include "run/pod_verdict.h"

#include <utility>

namespace headrace::run {

namespace {

using launch::PodOutcome;

/// Whether a result counts that was committed before the pod ended so.
bool commit_counts(PodOutcome outcome) {
  switch (outcome) {
    case PodOutcome::task_failed:
    case PodOutcome::out_of_memory:
    case PodOutcome::signal: return false;
    case PodOutcome::done:
    case PodOutcome::deadline:
    case PodOutcome::lost:
    case PodOutcome::image:
    case PodOutcome::refused:
    case PodOutcome::no_result:
    case PodOutcome::stopped: return true;
  }
  return false;
}

bool would_repeat_itself(const Error& error) { return error.kind == Kind::misuse || error.kind == Kind::denied; }

}  // namespace

std::optional<attempt::Committed> committed_of(const launch::PodEnd& end) {
  if (!end.report || !end.report->committed || end.report->committed->next_left_out) return std::nullopt;
  const wire::ReportedCommit& reported = *end.report->committed;
  return attempt::Committed{
      .ok = reported.ok, .has_transition = reported.has_transition, .next = reported.next, .splits = reported.splits};
}

bool must_look(const launch::PodEnd& end) { return commit_counts(end.outcome) && !committed_of(end); }

PodVerdict verdict_of(const launch::PodEnd& end, const std::optional<attempt::Committed>& committed) {
  if (committed && committed->ok && commit_counts(end.outcome)) {
    return PodVerdict{.exit_code = 0, .transition = sched::Transition{.next = committed->next, .splits = committed->splits}, .cause = {}};
  }
  PodVerdict verdict{.exit_code = end.exit_code > 0 ? end.exit_code : 1, .transition = {}, .cause = end.cause};
  verdict.hopeless = verdict.cause && would_repeat_itself(*verdict.cause);
  verdict.lost = end.may_repeat;
  if (!verdict.cause && end.outcome == PodOutcome::done) {
    verdict.cause = Error{.kind = Kind::failed,
                          .what = "the pod ended with exit code 0, and the datastore has no result of it",
                          .where = end.namespace_ + "/" + end.pod,
                          .next = "look at the datastore: something may have removed what the pod stored"};
  }
  return verdict;
}

PodVerdict verdict_of(Error not_started) {
  const bool hopeless = would_repeat_itself(not_started);
  return PodVerdict{.exit_code = 1, .hopeless = hopeless, .transition = {}, .cause = std::move(not_started)};
}

}  // namespace headrace::run
