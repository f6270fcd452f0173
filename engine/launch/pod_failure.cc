#include "launch/pod_failure.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

namespace headrace::launch {

namespace {

constexpr int kSignalBase = 128;
constexpr int kSignalMax = 64;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
bool contains_any(const std::string& text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view one) { return contains(text, one); });
}

std::string place(const PodCase& one) {
  std::string text = fmt::format("pod {} in namespace {}", one.pod.name, one.namespace_);
  if (!one.pod.node.empty()) text += " on node " + one.pod.node;
  return text;
}

PodVerdict verdict(const PodCase& one, PodOutcome outcome, Error cause) {
  return PodVerdict{.outcome = outcome,
                    .exit_code = one.pod.end ? one.pod.end->exit_code : -1,
                    .cause = std::move(cause).at(place(one))};
}

std::string seconds(std::int64_t total) {
  if (total % 86400 == 0) return fmt::format("{} days", total / 86400);
  if (total % 3600 == 0) return fmt::format("{} hours", total / 3600);
  if (total % 60 == 0) return fmt::format("{} minutes", total / 60);
  return fmt::format("{} seconds", total);
}

PodVerdict deadline(const PodCase& one) {
  return verdict(one, PodOutcome::deadline,
                 Error{.kind = Kind::failed,
                       .what = fmt::format("step `{}` took longer than its time limit of {}", one.step, seconds(one.settings->time_limit_s)),
                       .why = "DeadlineExceeded: the time counts from the pod's start on its node, with the pull of its image",
                       .next = "give it more time with @timeout, or make the step shorter"});
}

/// The pod's own use of its disk or memory volume was the reason: it would be again.
bool over_its_own_limit(const std::string& message) {
  return contains_any(message, {"exceeds the total limit of containers", "exceeded its local ephemeral storage limit", "sage of EmptyDir volume"});
}

PodVerdict evicted(const PodCase& one) {
  const std::string& why = one.pod.message;
  Error cause{.kind = Kind::failed, .what = fmt::format("step `{}` lost its pod: the node evicted it", one.step), .why = "Evicted: " + why};
  if (over_its_own_limit(why)) {
    cause.next = contains(why, "EmptyDir") ? "raise @kubernetes(tmpfs_size=...) or disk=..., or write less"
                                           : "raise @kubernetes(disk=...), or write less to the pod's disk";
  } else if (contains(why, "ephemeral-storage")) {
    cause.next = "raise @kubernetes(disk=...) to what the step writes, so that it gets a node with room";
  } else if (contains(why, "memory")) {
    cause.next = "raise @resources(memory=...) to what the step uses, so that it gets a node with room";
  } else {
    cause.next = "ask who runs the cluster what its nodes lack, then `resume`";
  }
  PodVerdict result = verdict(one, PodOutcome::lost, std::move(cause));
  result.again = !over_its_own_limit(why);
  return result;
}

/// What the condition DisruptionTarget names.
Error disruption(const PodCase& one) {
  const std::string& reason = one.pod.disruption_reason;
  Error cause{.kind = Kind::failed, .why = fmt::format("{}: {}", reason, one.pod.disruption_message)};
  if (reason == "PreemptionByScheduler") {
    cause.what = fmt::format("step `{}` lost its pod: it was preempted by a pod of higher priority", one.step);
    cause.next = "run when the cluster has room, or ask for a namespace whose pods have a higher priority; then `resume`";
  } else if (reason == "DeletionByTaintManager" || reason == "DeletionByPodGC") {
    cause.what = fmt::format("step `{}` lost its pod: its node {} was lost", one.step, one.pod.node);
    cause.next = "ask who runs the cluster what happened to the node, then `resume`";
  } else if (reason == "EvictionByEvictionAPI") {
    cause.what = fmt::format("step `{}` lost its pod: its node {} is being emptied", one.step, one.pod.node);
    cause.next = "wait until the maintenance is over, then `resume`";
  } else {
    cause.what = fmt::format("step `{}` lost its pod: its node {} had to end it", one.step, one.pod.node);
    cause.next = "ask who runs the cluster what its nodes lack, then `resume`";
  }
  return cause;
}

/// The node refused or gave up the pod, for reasons that are its own.
bool refused_by_node(const std::string& reason) {
  return reason.starts_with("OutOf") || reason == "UnexpectedAdmissionError" || reason == "NodeAffinity" || reason == "NodeShutdown" ||
         reason == "Shutdown" || reason == "Terminated" || reason == "NodeLost" || reason == "Preempting";
}

std::optional<PodVerdict> lost(const PodCase& one) {
  std::optional<PodVerdict> result;
  if (one.pod.reason == "Evicted") return evicted(one);
  if (!one.pod.disruption_reason.empty()) {
    result = verdict(one, PodOutcome::lost, disruption(one));
  } else if (refused_by_node(one.pod.reason)) {
    result = verdict(one, PodOutcome::lost,
                     Error{.kind = Kind::failed,
                           .what = fmt::format("step `{}` lost its pod: node {} did not keep it", one.step, one.pod.node),
                           .why = fmt::format("{}: {}", one.pod.reason, one.pod.message),
                           .next = "ask who runs the cluster what happened to the node, then `resume`"});
  }
  if (result) result->again = true;
  return result;
}

std::string megabytes_of(std::int64_t kb) { return fmt::format("{} MB", kb * 1024 / 1'000'000); }

PodVerdict out_of_memory(const PodCase& one) {
  const std::string peak =
      one.report && one.report->peak_kb > 0 ? fmt::format("; the last peak that was seen is {}", megabytes_of(one.report->peak_kb)) : "";
  const bool limited = one.limit_memory || one.settings->qos == "guaranteed";
  return verdict(one, PodOutcome::out_of_memory,
                 Error{.kind = Kind::failed,
                       .what = fmt::format("step `{}` ran out of memory", one.step),
                       .why = limited ? fmt::format("OOMKilled at its limit of {} MB{}", one.settings->memory_mb, peak)
                                      : fmt::format("OOMKilled: its node had no memory left; it asked for {} MB{}", one.settings->memory_mb, peak),
                       .next = "raise @resources(memory=...) or @kubernetes(memory=...), or make the step need less"});
}

PodVerdict cannot_start(const PodCase& one) {
  const ContainerEnd& end = *one.pod.end;
  const std::string python = one.settings->executable.empty() ? "python3" : one.settings->executable;
  Error cause{.kind = Kind::misuse};
  if (contains_any(end.message, {"executable file not found", "no such file or directory"})) {
    cause.what = fmt::format("image `{}` has no `{}`", one.settings->image, python);
    cause.why = fmt::format("{}: {}", end.reason, end.message);
    cause.next = one.settings->executable.empty()
                     ? "use an image that has Python 3 (the default is python:3.x), or name its interpreter with @kubernetes(executable=...)"
                     : "correct @kubernetes(executable=...), or use an image that has it";
    return verdict(one, PodOutcome::image, std::move(cause));
  }
  cause.kind = Kind::failed;
  cause.what = fmt::format("the container of step `{}` could not start", one.step);
  cause.why = fmt::format("{}: {}", end.reason, end.message);
  cause.next = "read what the container runtime says; `kubectl describe pod` tells more";
  return verdict(one, PodOutcome::refused, std::move(cause));
}

PodVerdict by_signal(const PodCase& one, int signal) {
  const char* name = ::sigabbrev_np(signal);
  const std::string called = name ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
  Error cause{.kind = Kind::failed, .what = fmt::format("step `{}` was ended by {}", one.step, called)};
  cause.why = fmt::format("{} (exit code {})", ::strsignal(signal), one.pod.end->exit_code);
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE) {
    cause.next = "native code crashed: run the step with PYTHONFAULTHANDLER=1 in @environment to see where";
  } else if (signal == SIGABRT) {
    cause.next = "native code gave up: its message is in the log";
  } else if (signal == SIGKILL) {
    cause.why += "; neither its memory limit nor its deadline was the reason";
    cause.next = "look whether its node ran out of memory (`kubectl describe node`) or somebody killed it; @retry tries again";
  } else {
    cause.next = "somebody or something sent it: look at the log; @retry tries again";
  }
  return verdict(one, PodOutcome::signal, std::move(cause));
}

std::string last_words(const std::string& message) {
  constexpr std::size_t kBytesMax = 400;
  std::string words = message;
  while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.pop_back();
  if (words.size() > kBytesMax) words = "..." + words.substr(words.size() - kBytesMax);
  std::string line;
  for (char c : words) line += c == '\n' ? std::string(" | ") : std::string(1, c);
  return line;
}

PodVerdict without_report(const PodCase& one) {
  if (!one.pod.end) {
    return verdict(one, PodOutcome::no_result,
                   Error{.kind = Kind::failed,
                         .what = fmt::format("the pod of step `{}` ended before its container started", one.step),
                         .why = one.pod.reason.empty() ? "the cluster gives no reason" : fmt::format("{}: {}", one.pod.reason, one.pod.message),
                         .next = "`kubectl describe pod` tells more; @retry tries again"});
  }
  const ContainerEnd& end = *one.pod.end;
  Error cause{.kind = Kind::failed};
  if (end.exit_code == 0) {
    cause.what = fmt::format("step `{}` ended with exit code 0 but without a result", one.step);
    cause.why = "its process left before the step had ended, as os._exit(0) does";
    cause.next = "let the step return, or raise an exception to fail";
  } else {
    cause.what = fmt::format("the pod of step `{}` ended with exit code {} before the step began", one.step, end.exit_code);
    cause.why = end.message.empty() ? fmt::format("{}: it left no message", end.reason) : last_words(end.message);
    cause.next = "read the log above; @retry tries again";
  }
  return verdict(one, PodOutcome::no_result, std::move(cause));
}

PodVerdict with_report(const PodCase& one) {
  const wire::AgentReport& report = *one.report;
  PodVerdict task_failed{.outcome = PodOutcome::task_failed, .exit_code = one.pod.end ? one.pod.end->exit_code : report.exit_code};
  if (report.committed && !report.committed->ok) return task_failed;
  if (report.trouble) {
    // Nothing has run, and this launcher lives: it had only given no sign of that in time.
    const bool again = report.exit_code == wire::kExitLauncherGone;
    PodVerdict result = verdict(one, again ? PodOutcome::lost : PodOutcome::no_result, *report.trouble);
    result.again = again;
    return result;
  }
  const int code = one.pod.end ? one.pod.end->exit_code : 0;
  if (code != 0 && (report.stage == "storing" || report.stage == "done")) return task_failed;
  if (code != 0 && report.stage != "running") return without_report(one);
  if (code != 0) {
    return verdict(one, PodOutcome::no_result,
                   Error{.kind = Kind::failed,
                         .what = fmt::format("step `{}` ended with exit code {} in the middle of its work", one.step, code),
                         .why = "its agent has left no verdict",
                         .next = "read the log above; @retry tries again"});
  }
  return without_report(one);
}

int signal_of(const ContainerEnd& end) {
  if (end.signal > 0) return end.signal;
  return end.exit_code > kSignalBase && end.exit_code <= kSignalBase + kSignalMax ? end.exit_code - kSignalBase : 0;
}

PodVerdict deleted(const PodCase& one) {
  if (one.stopped) {
    return verdict(one, PodOutcome::stopped, Error{.kind = Kind::failed, .what = fmt::format("the pod of step `{}` was stopped", one.step)});
  }
  return verdict(one, PodOutcome::stopped,
                 Error{.kind = Kind::failed,
                       .what = fmt::format("the pod of step `{}` was deleted while it was needed", one.step),
                       .why = "neither this run nor the scheduler did it",
                       .next = "ask who may delete pods in this namespace; @retry tries again, or `resume`"});
}

/// The result is whole: what happens to the container afterwards does not matter.
bool has_result(const PodCase& one) {
  if (!one.report || !one.report->committed || !one.report->committed->ok) return false;
  return one.report->stage == "done" || (one.pod.end && one.pod.end->exit_code == 0);
}

bool is_start_error(const std::string& reason) {
  return reason == "StartError" || reason == "ContainerCannotRun" || reason == "RunContainerError";
}

bool is_permanent_pull(const std::string& reason, const std::string& message) {
  if (reason == "InvalidImageName" || reason == "ErrImageNeverPull") return true;
  return contains_any(message, {"not found", "NotFound", "manifest unknown", "does not exist", "no match for platform", "access denied",
                                "unauthorized", "Unauthorized", "authentication required"});
}

PodVerdict image_error(const PodCase& one, int tries) {
  const std::string& message = one.pod.waiting_message;
  const bool denied = contains_any(message, {"denied", "nauthorized", "authentication required"});
  const bool absent = contains_any(message, {"not found", "NotFound", "manifest unknown", "does not exist"});
  Error cause{.kind = is_permanent_pull(one.pod.waiting_reason, message) ? Kind::misuse : Kind::failed,
              .what = fmt::format("image `{}` of step `{}` cannot be pulled", one.settings->image, one.step),
              .why = fmt::format("{}: {}", one.pod.waiting_reason, message)};
  if (tries > 1) cause.why += fmt::format(" ({} times)", tries);
  if (one.pod.waiting_reason == "InvalidImageName") cause.next = "correct @kubernetes(image=...): it is no name of an image";
  else if (one.pod.waiting_reason == "ErrImageNeverPull") cause.next = "the node does not have it, and image_pull_policy is Never: change one of them";
  else if (denied) cause.next = "correct @kubernetes(image=...), or give the registry's credentials with image_pull_secrets=[...]";
  else if (absent) cause.next = "correct @kubernetes(image=...): no registry has that name and tag";
  else cause.next = "look whether the nodes reach the registry; then `resume`";
  return verdict(one, PodOutcome::image, std::move(cause));
}

PodVerdict config_error(const PodCase& one) {
  const std::string& message = one.pod.waiting_message;
  Error cause{.kind = Kind::misuse,
              .what = fmt::format("the container of step `{}` cannot be made", one.step),
              .why = fmt::format("{}: {}", one.pod.waiting_reason, message)};
  if (contains(message, "secret")) cause.next = "make that secret in the namespace, or correct @kubernetes(secrets=[...])";
  else if (contains(message, "runAsNonRoot")) cause.next = "use an image with another user than root, or name one: @kubernetes(security_context={\"run_as_user\": 1000})";
  else cause.next = "correct what the cluster names; `kubectl describe pod` tells more";
  return verdict(one, PodOutcome::refused, std::move(cause));
}

bool is_config_wait(const std::string& reason) {
  return reason == "CreateContainerConfigError" || reason == "CreateContainerError" || reason == "RunContainerError";
}

bool is_image_wait(const std::string& reason) {
  return reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "InvalidImageName" || reason == "ErrImageNeverPull" ||
         reason == "ImageInspectError" || reason == "RegistryUnavailable" || reason == "SignatureValidationFailed";
}

}  // namespace

PodVerdict judge_end(const PodCase& one) {
  if (has_result(one)) return PodVerdict{.outcome = PodOutcome::done, .exit_code = 0};
  if (one.stopped) return deleted(one);
  if (one.pod.reason == "DeadlineExceeded") return deadline(one);
  if (auto loss = lost(one)) return *loss;
  if (!one.pod.end && (one.gone || one.pod.deleting)) return deleted(one);
  if (!one.pod.end) return without_report(one);
  const ContainerEnd& end = *one.pod.end;
  if (is_start_error(end.reason)) return cannot_start(one);
  if (end.reason == "OOMKilled" && end.exit_code != 0) return out_of_memory(one);
  if (one.pod.deleting) return deleted(one);
  if (const int signal = signal_of(end); signal != 0 && !(one.report && one.report->committed)) return by_signal(one, signal);
  return one.report ? with_report(one) : without_report(one);
}

std::optional<wire::AgentReport> report_of(const PodFacts& pod) {
  if (!pod.end || pod.end->message.empty()) return std::nullopt;
  auto report = wire::parse_agent_report(pod.end->message);
  if (!report) return std::nullopt;
  return *std::move(report);
}

std::optional<PodVerdict> StartJudge::look(const PodCase& one, Instant now) {
  next_look_.reset();
  const std::string& reason = one.pod.waiting_reason;
  const std::string before = std::exchange(last_reason_, reason);
  const bool image = is_image_wait(reason);
  if (one.pod.ended() || (!image && !is_config_wait(reason))) {
    since_.reset();
    return std::nullopt;
  }
  if (!since_) since_ = now;
  if (image) {
    if (is_permanent_pull(reason, one.pod.waiting_message)) return image_error(one, std::max(1, pulls_failed_));
    // A pull that fails is told by ErrImagePull first and by ImagePullBackOff until the next; either may be missed.
    if (before != reason && (reason != "ImagePullBackOff" || !is_image_wait(before))) ++pulls_failed_;
    if (pulls_failed_ >= image_tries_max_ || now - *since_ >= kImagePatience) return image_error(one, pulls_failed_);
    next_look_ = *since_ + kImagePatience;
    return std::nullopt;
  }
  const bool hopeless = contains(one.pod.waiting_message, "runAsNonRoot and image will run as root");
  if (hopeless || now - *since_ >= kConfigPatience) return config_error(one);
  next_look_ = *since_ + kConfigPatience;
  return std::nullopt;
}

}  // namespace headrace::launch
