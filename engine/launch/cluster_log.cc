// The log of a pod on its way to the terminal: one stream each, followed again where it breaks, each line once.
#include <algorithm>

#include <fmt/format.h>

#include "launch/cluster_state.h"

namespace headrace::launch {

namespace {

/// The stream's end and the news of the container's end come by two ways.
constexpr Duration kEndNewsMax = 2s;
/// A log that neither ends nor goes on after its container's end.
constexpr Duration kLogEndMax = 15s;
constexpr Duration kPauseMin = 200ms;
constexpr Duration kPauseMax = 5s;
constexpr Duration kReadSilenceMax = 20s;
/// Where there is no room for another stream, whether there is now.
constexpr Duration kRoomAgain = 5s;
constexpr int kFailuresMax = 5;

bool never_ran(const PodFacts& facts) { return facts.end && (facts.end->reason == "StartError" || facts.end->reason == "ContainerCannotRun"); }

}  // namespace

void ClusterState::give(const std::vector<PodLine>& lines, PodListener& listener) const {
  for (const PodLine& line : lines) listener.output(line.err, line.when.value_or(loop.wall_now()), line.seq, line.text);
}

/// Error: where it broke. Success: the stream came to its end.
loop::Async<Result<void>> ClusterState::copy_stream(LivePod& pod, kube::LogOptions options, PodListener& listener) {
  pod.stop_reading = options.stop = std::make_shared<loop::Stop>();
  auto stream = co_await client.follow_log(pod.space->name, pod.name, options);
  if (!stream) co_return std::move(stream).error();
  Result<void> result;
  while (true) {
    pod.queued = true;
    co_await listener.room();
    pod.queued = false;
    if (pod.abandoned) break;
    auto bytes = co_await (*stream)->read();
    if (!bytes) result = std::move(bytes).error();
    if (!bytes || bytes->empty()) break;
    give(pod.log.add(*bytes), listener);
  }
  co_return result;
}

loop::Async<void> ClusterState::read_log(LivePod& pod, PodListener& listener) {
  // Beyond the bound, a log is read when its pod has ended. Each looks for itself: an end that woke all others would cost, with
  // thousands of pods, more than all they do.
  pod.queued = true;
  while (streams >= (pod.over() ? kLogReadsMax : kLogStreamsMax)) {
    (void)co_await pod.changed.wait_until(loop.now() + kRoomAgain);
    look(pod);
  }
  pod.queued = false;
  ++streams;
  int failures = 0;
  while (!pod.abandoned && !never_ran(pod.facts)) {
    kube::LogOptions options;
    options.follow = !pod.over();
    options.since = pod.log.last_time();
    options.container = pod.container;
    if (!options.follow) options.silence_max = kReadSilenceMax;
    const std::uint64_t seen = pod.log.last_seq();
    auto copied = co_await copy_stream(pod, options, listener);
    if (pod.abandoned) break;
    Duration pause = kEndNewsMax;
    if (!copied) {
      const Kind kind = copied.error().kind;
      if (kind == Kind::missing) break;
      failures = pod.log.last_seq() > seen ? 1 : failures + 1;
      if (kind == Kind::denied || (pod.over() && failures > kFailuresMax)) {
        listener.note("The pod's log cannot be read on: " + in_short(copied.error()));
        break;
      }
      pause = std::min(kPauseMin * (1 << std::min(failures, 8)), kPauseMax);
    }
    const Instant until = loop.now() + pause;
    while (!pod.over() && loop.now() < until) {
      (void)co_await pod.changed.wait_until(until);
      look(pod);
    }
    if (copied && pod.over()) {
      give(pod.log.finish(), listener);
      break;
    }
    if (!copied && pod.over() && failures > 1) co_await loop.sleep_for(pause);
    pod.log.restart();
  }
  --streams;
  pod.read = true;
  pod.changed.notify();
}

/// Waits for the reader as long as it comes on; then reads again what the agent says that it has written and we have not seen.
loop::Async<void> ClusterState::finish_log(LivePod& pod, const std::optional<wire::AgentReport>& report, PodListener& listener,
                                           loop::TaskGroup& readers) {
  pod.changed.notify();
  bool comes_on = true;
  while (pod.reading && !pod.read && comes_on) {
    const std::uint64_t seen = pod.log.last_seq();
    const bool news = co_await pod.changed.wait_until(loop.now() + kLogEndMax);
    comes_on = news || pod.queued || pod.log.last_seq() > seen;
  }
  if (pod.reading && !pod.read) {
    pod.abandoned = true;
    if (pod.stop_reading) pod.stop_reading->stop();
    pod.changed.notify();
  }
  co_await readers.wait();
  pod.abandoned = false;
  if (pod.gone || !pod.reading || !report || report->lines_stored <= pod.log.last_seq()) co_return;
  pod.log.restart();
  kube::LogOptions options;
  options.follow = false;
  options.since = pod.log.last_time();
  options.container = pod.container;
  options.silence_max = kReadSilenceMax;
  auto copied = co_await copy_stream(pod, options, listener);
  if (copied) give(pod.log.finish(), listener);
  if (report->lines_stored > pod.log.last_seq()) {
    listener.note(fmt::format("Lines {} to {} are missing here; they are in the datastore: see `logs`", pod.log.last_seq() + 1,
                              report->lines_stored));
  }
}

loop::Async<Result<void>> ClusterState::read_whole(std::string ns, std::string pod, std::uint64_t seq, PodListener& listener) {
  kube::LogOptions options;
  options.follow = false;
  options.silence_max = kReadSilenceMax;
  auto stream = co_await client.follow_log(ns, pod, options);
  if (!stream) co_return std::move(stream).error().at(fmt::format("the log of pod {} in namespace {}", pod, ns));
  PodLog log;
  auto after = [seq](std::vector<PodLine> lines) {
    std::erase_if(lines, [seq](const PodLine& line) { return !line.seq || *line.seq <= seq; });
    return lines;
  };
  while (true) {
    co_await listener.room();
    auto bytes = co_await (*stream)->read();
    if (!bytes) co_return std::move(bytes).error().at(fmt::format("the log of pod {} in namespace {}", pod, ns));
    if (bytes->empty()) break;
    give(after(log.add(*bytes)), listener);
  }
  give(after(log.finish()), listener);
  co_return Result<void>{};
}

}  // namespace headrace::launch
