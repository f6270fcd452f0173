#include "logs/attempt_log.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>

#include "base/random.h"
#include "codec/mflog.h"
#include "loop/event.h"
#include "loop/unique_fd.h"

namespace headrace::logs {

namespace {

constexpr std::string_view kSource = "runtime";
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

/// One stream's file, while a thread of the pool has it.
struct Output {
  std::string path;
  loop::UniqueFd fd;
  std::string bytes;  ///< to be written; what could not be is left here
};

struct Batch {
  std::string folder;
  bool last = false;  ///< make folder and files even if there is nothing to write
  std::array<Output, 2> outputs;
  std::optional<Error> error;
};

/// False when the folder is not there yet.
Result<bool> open_file(Output& output) {
  output.fd = loop::UniqueFd(::open(output.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (output.fd) return true;
  if (errno == ENOENT) return false;
  return system_error(errno, "the log of a task cannot be opened").at(output.path);
}

Result<void> write_bytes(Output& output) {
  std::size_t written = 0;
  while (written < output.bytes.size()) {
    const ssize_t count = ::write(output.fd.get(), output.bytes.data() + written, output.bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int code = errno;
      output.bytes.erase(0, written);
      Error error = system_error(code, "the log of a task could not be stored whole").at(output.path);
      error.next = "the run goes on and its lines are shown; free space, or write to another place with --datastore-root";
      return error;
    }
    written += static_cast<std::size_t>(count);
  }
  output.bytes.clear();
  return {};
}

Result<void> write_output(Output& output, const Batch& batch) {
  if (output.bytes.empty() && !batch.last) return {};
  if (!output.fd && !HR_TRY(open_file(output))) {
    if (!batch.last) return {};
    std::error_code code;
    std::filesystem::create_directories(batch.folder, code);
    if (code) return system_error(code.value(), "the folder of a task cannot be made").at(batch.folder);
    if (!HR_TRY(open_file(output))) return system_error(ENOENT, "the log of a task cannot be opened").at(output.path);
  }
  return write_bytes(output);
}

/// On a thread of the pool.
Batch write_batch(Batch batch) {
  for (Output& output : batch.outputs) {
    auto written = write_output(output, batch);
    if (!written && !batch.error) batch.error = std::move(written).error();
  }
  return batch;
}

}  // namespace

std::string_view name_of(Stream stream) { return stream == Stream::out ? "stdout" : "stderr"; }

std::string log_path(const std::string& folder, int attempt, std::string_view source, Stream stream) {
  return fmt::format("{}/{}.{}_{}.log", folder, attempt, source, name_of(stream));
}

struct AttemptLog::State {
  State(loop::EventLoop& l, loop::WorkerPool& p, Settings s)
      : loop(l), pool(p), settings(std::move(s)), random(settings.id_seed), written(l) {
    for (const Stream stream : kStreams) {
      files[index_of(stream)].path = log_path(settings.folder, settings.attempt, kSource, stream);
    }
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
  std::array<Output, 2> files;  // Their descriptors, while no batch is under way.
  std::optional<Error> error;   // The first one.
  bool flush_due = false;
  bool writing = false;
  bool closed = false;
  loop::Event written;

  void store(Stream stream, std::string_view line);
  void store_framed(Stream stream, std::string_view text, WallTime now);
  [[nodiscard]] Batch take_batch(bool last);
  void put_back(Batch batch);
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
  codec::append_log_line(line, now, kSource, make_line_id(random), text);
  store(stream, line);
}

Batch AttemptLog::State::take_batch(bool last) {
  Batch batch{.folder = settings.folder, .last = last, .outputs = std::move(files), .error = {}};
  for (std::size_t i = 0; i < 2; ++i) batch.outputs[i].bytes = std::exchange(pending[i].bytes, {});
  writing = true;
  return batch;
}

void AttemptLog::State::put_back(Batch batch) {
  if (batch.error && !error) error = std::move(batch.error);
  for (std::size_t i = 0; i < 2; ++i) {
    pending[i].bytes.insert(0, batch.outputs[i].bytes);
    batch.outputs[i].bytes.clear();
    files[i] = std::move(batch.outputs[i]);
  }
  writing = false;
  written.notify();
}

namespace {

template <class State>
loop::Async<void> write_once(std::shared_ptr<State> state, bool last) {
  auto work = [batch = state->take_batch(last)]() mutable { return write_batch(std::move(batch)); };
  Batch written = co_await state->pool.run(work);
  state->put_back(std::move(written));
}

/// Writes at the end of this turn, or after the write that is under way.
template <class State>
void flush_soon(const std::shared_ptr<State>& state) {
  if (state->flush_due) return;
  state->flush_due = true;
  state->loop.spawn([](std::shared_ptr<State> kept) -> loop::Async<void> {
    while (kept->writing) co_await kept->written.wait();
    kept->flush_due = false;
    if (!kept->closed) co_await write_once(kept, false);
  }(state));
}

template <class State>
loop::Async<Result<void>> close_log(std::shared_ptr<State> state) {
  HR_CHECK(!std::exchange(state->closed, true));
  while (state->writing) co_await state->written.wait();
  co_await write_once(state, true);
  if (state->error) co_return *state->error;
  co_return Result<void>();
}

}  // namespace

AttemptLog::AttemptLog(loop::EventLoop& loop, loop::WorkerPool& pool, Settings settings)
    : state_(std::make_shared<State>(loop, pool, std::move(settings))) {}
AttemptLog::~AttemptLog() = default;

ShownLine AttemptLog::add_line(Stream stream, std::string_view line, WallTime now) {
  HR_CHECK(!state_->closed);
  const codec::LogLine parsed = codec::parse_log_line(line);
  const ShownLine shown{.text = parsed.text, .time = codec::log_line_time(parsed).value_or(now)};
  if (parsed.framed && !parsed.to_persist) return shown;
  State::Pending& to = state_->pending[index_of(stream)];
  if (to.truncated) return shown;
  std::string stored;
  if (parsed.framed) {
    stored = codec::without_persist_mark(line);
  } else {
    codec::append_log_line(stored, now, kSource, make_line_id(state_->random), line);
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

loop::Async<Result<void>> AttemptLog::close() { return close_log(state_); }

}  // namespace headrace::logs
