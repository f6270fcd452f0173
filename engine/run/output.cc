// What tasks print: from their pipes to the terminal and to the stored logs.
#include <string>
#include <utility>

#include "run/driver.h"

namespace headrace::run {

namespace {

/// After a task's end its output is complete, unless a process that it left behind still holds the pipe.
constexpr Duration kWaitForOutput = 200ms;
/// What such a pipe holds is read; what comes later is not.
constexpr std::size_t kLastOutputBytesMax = 1 << 20;

}  // namespace

loop::Async<void> Driver::pump(LiveAttempt* live, Stream stream) {
  loop::PipeReader& pipe = *live->pipes[slot(stream)];
  while (true) {
    auto bytes = co_await pipe.read();
    if (!bytes || bytes->empty()) break;
    take_output(*live, stream, *bytes);
    while (parts_.out.full() && !parts_.out.broken()) co_await flushed_.wait();
  }
  --live->pipes_open;
  live->output_ended.notify();
}

loop::Async<void> Driver::read_last_output(LiveAttempt* live) {
  Instant deadline = parts_.loop.now() + kWaitForOutput;
  while (live->pipes_open > 0) {
    if (parts_.out.full()) {
      co_await flushed_.wait();
      deadline = parts_.loop.now() + kWaitForOutput;
    } else if (!co_await live->output_ended.wait_until(deadline)) {
      break;
    }
  }
  for (Stream stream : {Stream::out, Stream::err}) {
    loop::PipeReader* pipe = live->pipes[slot(stream)].get();
    if (!pipe) continue;
    if (live->pipes_open > 0) {
      auto rest = pipe->drain(kLastOutputBytesMax);
      if (rest) take_output(*live, stream, *rest);
    }
    pipe->close();
    live->splitters[slot(stream)].finish([&](std::string_view line) { take_line(*live, stream, line); });
  }
  co_await live->reading.wait();
}

void Driver::take_output(LiveAttempt& live, Stream stream, std::string_view bytes) {
  live.splitters[slot(stream)].feed(bytes, [&](std::string_view line) { take_line(live, stream, line); });
  flush_soon();
}

void Driver::take_line(LiveAttempt& live, Stream stream, std::string_view line) {
  logs::ShownLine shown = live.log->add_line(stream, line, parts_.loop.wall_now());
  lines_.task_line(shown.time, live.label, live.pid, shown.text);
}

void Driver::own_line(LiveAttempt& live, Stream stream, std::string text, bool newline) {
  WallTime now = parts_.loop.wall_now();
  lines_.task_note(now, live.label, live.pid, text);
  if (newline) text += '\n';
  if (live.log) live.log->add_note(stream, text, now);
  flush_soon();
}

}  // namespace headrace::run
