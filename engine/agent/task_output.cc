#include "agent/task_output.h"

#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "codec/timestamp.h"

namespace headrace::agent {
namespace {

constexpr Duration kWaitForOutput = 200ms;
constexpr std::size_t kLastOutputBytesMax = 1 << 20;
constexpr Duration kFlushAgain = 5ms;

std::size_t slot(logs::Stream stream) { return stream == logs::Stream::out ? 0 : 1; }

}  // namespace

void append_pod_line(std::string& out, std::uint64_t number, logs::Stream stream, WallTime time, std::string_view text) {
  fmt::format_to(std::back_inserter(out), "HR|{}|{}|{}Z|", number, stream == logs::Stream::out ? 'o' : 'e', codec::to_iso(time));
  out += text;
  out += '\n';
}

TaskOutput::TaskOutput(loop::EventLoop& loop, console::Output& out, logs::AttemptLog& log)
    : loop_(loop),
      out_(out),
      log_(log),
      splitters_{logs::LineSplitter(kLineBytesMax), logs::LineSplitter(kLineBytesMax)},
      reading_(loop),
      ended_(loop),
      flushed_(loop),
      flush_timer_(loop, [this] { flush_now(); }) {}

void TaskOutput::follow(loop::UniqueFd out, loop::UniqueFd err) {
  pipes_[0] = std::make_unique<loop::PipeReader>(loop_, std::move(out));
  pipes_[1] = std::make_unique<loop::PipeReader>(loop_, std::move(err));
  open_ = 2;
  reading_.spawn(pump(logs::Stream::out));
  reading_.spawn(pump(logs::Stream::err));
}

loop::Async<void> TaskOutput::pump(logs::Stream stream) {
  loop::PipeReader& pipe = *pipes_[slot(stream)];
  while (true) {
    auto bytes = co_await pipe.read();
    if (!bytes || bytes->empty()) break;
    take(stream, *bytes);
    flush_now();
    while (out_.full() && !out_.broken()) co_await flushed_.wait();
  }
  --open_;
  ended_.notify();
}

loop::Async<void> TaskOutput::finish() {
  Instant deadline = loop_.now() + kWaitForOutput;
  while (open_ > 0) {
    if (out_.full() && !out_.broken()) {
      co_await flushed_.wait();
      deadline = loop_.now() + kWaitForOutput;
    } else if (!co_await ended_.wait_until(deadline)) {
      break;
    }
  }
  for (const logs::Stream stream : {logs::Stream::out, logs::Stream::err}) {
    loop::PipeReader* pipe = pipes_[slot(stream)].get();
    if (pipe == nullptr) continue;
    if (open_ > 0) {
      auto rest = pipe->drain(kLastOutputBytesMax);
      if (rest) take(stream, *rest);
    }
    pipe->close();
    splitters_[slot(stream)].finish([&](std::string_view line) { take_line(stream, line); });
  }
  co_await reading_.wait();
  flush_now();
}

void TaskOutput::say(std::string_view text) {
  take_line(logs::Stream::err, std::string(text) + "\n");
  flush_now();
}

loop::Async<void> TaskOutput::flush(Duration limit) {
  const Instant deadline = loop_.now() + limit;
  flush_now();
  while (out_.pending() > 0 && !out_.broken()) {
    if (!co_await flushed_.wait_until(deadline)) co_return;
  }
}

void TaskOutput::take(logs::Stream stream, std::string_view bytes) {
  splitters_[slot(stream)].feed(bytes, [&](std::string_view line) { take_line(stream, line); });
}

void TaskOutput::take_line(logs::Stream stream, std::string_view line) {
  logs::ShownLine shown = log_.add_line(stream, line, loop_.wall_now());
  line_.clear();
  append_pod_line(line_, ++number_, stream, shown.time, shown.text);
  out_.write(line_);
}

void TaskOutput::flush_now() {
  if (!out_.flush() && !out_.broken()) flush_timer_.set(loop_.now() + kFlushAgain);
  flushed_.notify();
}

}  // namespace headrace::agent
