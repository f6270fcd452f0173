#include "logs/attempt_log.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/random.h"
#include "codec/mflog.h"
#include "loop/event.h"

namespace headrace::logs {

namespace {

constexpr std::string_view kTruncated = "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]\n";
constexpr std::array kStreams = {Stream::out, Stream::err};

std::size_t index_of(Stream stream) { return static_cast<std::size_t>(stream); }

/// Random, of the form of a uuid4.
std::string make_line_id(Random& random) {
  const std::uint64_t a = random.next();
  const std::uint64_t b = random.next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xfff, 0x8000 | (b >> 48 & 0x3fff),
                     b & 0xffffffffffff);
}

/// One stream's object, while a thread of the pool has it.
struct Output {
  std::unique_ptr<store::ObjectAppender> object;
  std::string place;
  std::string bytes;  ///< to be written; what could not be is left here
};

struct Batch {
  bool last = false;  ///< make folder and objects even if there is nothing to write
  std::array<Output, 2> outputs;
  std::optional<Error> error;
};

Error not_whole(Error error, const std::string& place) {
  if (error.why.empty()) error.why = std::move(error.what);
  error.what = "the log of a task could not be stored whole";
  error.where = place;
  error.next = "the run goes on and its lines are shown; free space, or write to another place with --datastore-root";
  return error;
}

/// On a thread of the pool.
Batch write_batch(Batch batch) {
  for (Output& output : batch.outputs) {
    auto written = batch.last ? output.object->finish(output.bytes) : output.object->append(output.bytes);
    if (!written && !batch.error) batch.error = not_whole(std::move(written).error(), output.place);
  }
  return batch;
}

}  // namespace

std::string_view name_of(Stream stream) { return stream == Stream::out ? "stdout" : "stderr"; }

std::string log_path(const std::string& folder, int attempt, std::string_view source, Stream stream) {
  return fmt::format("{}/{}.{}_{}.log", folder, attempt, source, name_of(stream));
}

struct AttemptLog::State {
  State(loop::EventLoop& l, loop::WorkerPool& p, store::Backend& data, Settings s)
      : loop(l), pool(p), settings(std::move(s)), random(settings.id_seed), written(l) {
    for (const Stream stream : kStreams) {
      const std::string key = log_path(settings.folder, settings.attempt, settings.source, stream);
      outputs[index_of(stream)] = Output{.object = data.appender(key), .place = data.location(key), .bytes = {}};
    }
    pause();
  }

  struct Pending {
    std::string bytes;
    std::uint64_t size = 0;    // Of the lines stored; notes do not count.
    bool truncated = false;
    bool at_line_start = true;
  };

  loop::EventLoop& loop;
  loop::WorkerPool& pool;
  const Settings settings;
  Random random;
  std::array<Pending, 2> pending;
  std::array<Output, 2> outputs;  // While no batch is under way.
  Instant next_write;             // Not before.
  std::optional<Error> error;     // The first one since all was stored.
  std::uint64_t lines_added = 0;
  std::uint64_t lines_written = 0;  // Of them, those up to the batch that is under way.
  std::uint64_t lines_stored = 0;
  bool flush_due = false;
  bool writing = false;
  bool closed = false;
  loop::Event written;

  void store(Stream stream, std::string_view line);
  void store_framed(Stream stream, std::string_view text, WallTime now);
  [[nodiscard]] Batch take_batch(bool last);
  void put_back(Batch batch);
  void pause();
};

/// Keeps a line that is framed.
void AttemptLog::State::store(Stream stream, std::string_view line) {
  Pending& to = pending[index_of(stream)];
  // Text without a newline came last (`Task failed.`, or what a dying task printed): a frame begins a line of its own.
  if (!to.at_line_start) to.bytes += '\n';
  to.bytes += line;
  to.at_line_start = line.ends_with('\n');
}

void AttemptLog::State::store_framed(Stream stream, std::string_view text, WallTime now) {
  std::string line;
  codec::append_log_line(line, now, settings.source, make_line_id(random), text);
  store(stream, line);
}

Batch AttemptLog::State::take_batch(bool last) {
  Batch batch{.last = last, .outputs = std::move(outputs), .error = {}};
  for (std::size_t i = 0; i < 2; ++i) batch.outputs[i].bytes = std::exchange(pending[i].bytes, {});
  lines_written = lines_added;
  writing = true;
  return batch;
}

void AttemptLog::State::put_back(Batch batch) {
  if (!batch.error) error.reset();  // all that was kept back has been stored
  if (batch.error && !error) error = std::move(batch.error);
  if (batch.outputs[0].bytes.empty() && batch.outputs[1].bytes.empty()) lines_stored = lines_written;
  for (std::size_t i = 0; i < 2; ++i) {
    pending[i].bytes.insert(0, batch.outputs[i].bytes);
    batch.outputs[i].bytes.clear();
    outputs[i] = std::move(batch.outputs[i]);
  }
  pause();
  writing = false;
  written.notify();
}

void AttemptLog::State::pause() {
  next_write = loop.now() + std::max(outputs[0].object->pause(), outputs[1].object->pause());
}

namespace {

template <class State>
loop::Async<void> write_once(std::shared_ptr<State> state, bool last) {
  auto work = [batch = state->take_batch(last)]() mutable { return write_batch(std::move(batch)); };
  Batch written = co_await state->pool.run(work);
  state->put_back(std::move(written));
}

/// Writes at the end of this turn, or after the write that is under way, or when the objects may be written again.
template <class State>
void flush_soon(const std::shared_ptr<State>& state) {
  if (state->flush_due) return;
  state->flush_due = true;
  state->loop.spawn([](std::shared_ptr<State> kept) -> loop::Async<void> {
    while (kept->writing) co_await kept->written.wait();
    while (!kept->closed && kept->loop.now() < kept->next_write) (void)co_await kept->written.wait_until(kept->next_write);
    kept->flush_due = false;
    if (!kept->closed) co_await write_once(kept, false);
  }(state));
}

template <class State>
loop::Async<Result<void>> close_log(std::shared_ptr<State> state) {
  HR_CHECK(!std::exchange(state->closed, true));
  state->written.notify();  // a flush that waits for its time has nothing more to do
  while (state->writing) co_await state->written.wait();
  co_await write_once(state, true);
  if (state->error) co_return *state->error;
  co_return Result<void>();
}

}  // namespace

AttemptLog::AttemptLog(loop::EventLoop& loop, loop::WorkerPool& pool, store::Backend& data, Settings settings)
    : state_(std::make_shared<State>(loop, pool, data, std::move(settings))) {}
AttemptLog::~AttemptLog() = default;

ShownLine AttemptLog::add_line(Stream stream, std::string_view line, WallTime now) {
  HR_CHECK(!state_->closed);
  ++state_->lines_added;
  const codec::LogLine parsed = codec::parse_log_line(line);
  const ShownLine shown{.text = parsed.text, .time = codec::log_line_time(parsed).value_or(now)};
  if (parsed.framed && !parsed.to_persist) return shown;
  State::Pending& to = state_->pending[index_of(stream)];
  if (to.truncated) return shown;
  std::string stored;
  if (parsed.framed) {
    stored = codec::without_persist_mark(line);
  } else {
    codec::append_log_line(stored, now, state_->settings.source, make_line_id(state_->random), line);
  }
  if (to.size + stored.size() < state_->settings.bytes_max) {
    to.size += stored.size();
    state_->store(stream, stored);
  } else {
    to.truncated = true;
    state_->store_framed(stream, kTruncated, now);
  }
  flush_soon(state_);
  return shown;
}

void AttemptLog::add_note(Stream stream, std::string_view text, WallTime now) {
  HR_CHECK(!state_->closed);
  state_->store_framed(stream, text, now);
  flush_soon(state_);
}

std::uint64_t AttemptLog::lines_stored() const { return state_->lines_stored; }

loop::Async<Result<void>> AttemptLog::close() { return close_log(state_); }

}  // namespace headrace::logs
