// From the end of a process to the end of its records; and the end of the run.
#include <sys/wait.h>

#include <fmt/format.h>

#include <utility>

#include "console/error_block.h"
#include "run/driver.h"
#include "run/worker_team.h"

namespace headrace::run {

namespace {

/// After an interrupt, output that nobody takes is given up so soon.
constexpr Duration kFlushAfterInterrupt = 2s;
constexpr Duration kFlushAgain = 2ms;

/// As a shell counts: 128 + n for signal n.
int shell_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/// As Python's subprocess counts: -n for signal n.
int return_code(int status) { return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status); }

sched::Transition transition_of(const attempt::Committed& committed) {
  return sched::Transition{.next = committed.next, .splits = committed.splits};
}

}  // namespace

loop::Async<void> Driver::end_attempt(LiveAttempt* live, Result<launch::TaskExit> exit) {
  if (live->team) co_await live->team->end();
  co_await read_last_output(live);
  live->session->stop();
  co_await live->serving.wait();
  const auto& committed = live->session->committed();
  const flow::Step& step = spec_.graph.step(live->step);
  FailureFact fact{.step = step.name.str(), .label = live->label, .resources = step.resources,
                   .trouble = live->session->trouble()};
  int code = 1;
  if (exit) {
    live->exit = *exit;
    code = shell_code(exit->status);
    if (code == 0 && !committed) {
      fact.unfinished = true;
      code = 1;
      own_line(*live, Stream::err, "The process exited with code 0 before the step had ended: nothing was stored.", true);
    }
    fact.signal = WIFSIGNALED(exit->status) ? WTERMSIG(exit->status) : 0;
    fact.exit_code = code;
    fact.killed_by_us = live->killed;
    fact.peak_kb = exit->peak_kb;
    fact.oom = fact.signal == 9 && oom_.killed_since();
  } else if (live->launch_id == 0) {
    fact.not_started = exit.error();
    own_line(*live, Stream::err, exit.error().what, true);
    if (!exit.error().why.empty()) own_line(*live, Stream::err, exit.error().why, true);
  } else {
    code = 128 + 9;
    broken(exit.error());
  }
  if (code != 0) facts_of_failures_.add(live->task, std::move(fact));

  sched::AttemptEnded ended{.task = live->task, .attempt = live->attempt, .exit_code = code, .transition = {}};
  if (committed) ended.transition = transition_of(*committed);
  if (spec_.spin) {
    spin_ended(*live, code);
  } else {
    feed(ended);
  }
  auto stored = co_await store_end(live);
  if (!stored) broken(std::move(stored).error().at("ending " + live->label));
  retire(*live);
}

void Driver::retire(const LiveAttempt& live) {
  const Key key{live.task, live.attempt};
  live_.erase(key);
}

loop::Async<Result<void>> Driver::store_end(LiveAttempt* live) {
  auto begun = co_await live->session->ensure_begun();
  if (!begun) co_return std::move(begun).error();
  std::optional<store::ProcessEnd> end;
  if (live->exit) {
    bool success = live->exit->status == 0;
    end = store::ProcessEnd{.return_code = return_code(live->exit->status), .killed = live->killed, .success = success};
  }
  auto logged = co_await live->log->close();
  if (!logged) co_return std::move(logged).error();
  if (!end) co_return Result<void>{};
  auto work = [&records = *records_, path = live->path, ended = *end] { return records.ended(path, ended); };
  co_return co_await parts_.pool.run(work);
}

void Driver::fail_before_start(const Error& error) {
  broken_ = error;
  sched::FinishRun finish{.end = sched::FinishRun::End::failed, .failure = {}, .failed_task = {}};
  finish_ = finish;
}

loop::Async<int> Driver::end_run() {
  using End = sched::FinishRun::End;
  bool interrupted = finish_->end == End::interrupted;
  bool cloned = finish_->end == End::cloned;
  bool successful = finish_->end == End::successful || cloned;
  ended_ = true;
  deadline_.cancel();
  co_await end_pods();
  co_await end_copy();
  // Exit hooks of the host print to the same terminal.
  Instant give_up = parts_.loop.now() + kFlushAfterInterrupt;
  while (!parts_.out.flush() && (!interrupted || parts_.loop.now() < give_up)) co_await parts_.loop.sleep_for(kFlushAgain);
  if (records_ && !facts_.identity.run.empty()) {
    std::string pathspec = spec_.flow + "/" + facts_.identity.run.str();
    auto finished = co_await parts_.launcher.finish(std::move(pathspec), successful);
    if (!finished && successful) console::error_block(parts_.err, finished.error());
  }
  if (successful && !cloned && !spec_.spin) {
    std::string url = spec_.ui_url.empty() ? "" : fmt::format("{}/{}/{}", spec_.ui_url, spec_.flow, facts_.identity.run.str());
    lines_.run_line(parts_.loop.wall_now(), url.empty() ? "Done!" : "Done! See the run in the UI at " + url);
  }
  while (!parts_.out.flush() && (!interrupted || parts_.loop.now() < give_up)) co_await parts_.loop.sleep_for(kFlushAgain);
  if (interrupted) {
    console::say(parts_.err, "");
    console::say(parts_.err, "Aborted!");
  } else if (!successful) {
    say_failure();
  }
  if (pods_left_) console::error_block(parts_.err, *pods_left_);
  if (not_copied_) console::error_block(parts_.err, *not_copied_);
  while (!parts_.err.flush() && (!interrupted || parts_.loop.now() < give_up)) co_await parts_.loop.sleep_for(kFlushAgain);
  signals_.reset();
  co_await watching_.wait();
  // The run itself is as it is; but who started it waits for this file, and must not take it for well.
  if (not_offered_) {
    if (successful) not_offered_->next = "nothing is missing from the run itself; name another file next time";
    console::error_block(parts_.err, *not_offered_);
  }
  co_return successful && !not_offered_ && !not_copied_ ? 0 : 1;
}

void Driver::say_failure() {
  if (!finish_->failure) {
    if (broken_) console::error_block(parts_.err, *broken_);
    return;
  }
  std::string advice;
  if (finish_->failed_task) {
    if (const FailureFact* fact = facts_of_failures_.find(finish_->failed_task->task)) advice = advice_for(*fact, memory_bytes());
  } else if (broken_) {
    advice = broken_->next;
  }
  console::error_block(parts_.err, finish_->failure->headline, finish_->failure->message, advice);
  // A task has failed, and something of the run itself has too: it may be why.
  if (finish_->failed_task && broken_) console::error_block(parts_.err, *broken_);
}

}  // namespace headrace::run
