// What a large artifact and a task's records cost: bytes a second through BlobStream as a task's channel uses it (the
// process is this one), and time for the records of one task and of one cloned task.

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "store/blob_streams.h"
#include "store/directory_backend.h"
#include "store/run_records.h"

namespace headrace::store {
namespace {

constexpr std::size_t kArray = 256 << 20;

/// Arg 0: random float64 in [0, 1); 1: small integers as int64; 2: JSON.
std::string array(std::int64_t kind) {
  Random random{1};
  std::string bytes(kArray, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    if (kind == 0) {
      const double value = static_cast<double>(random.next() >> 11U) / 9007199254740992.0;
      std::memcpy(bytes.data() + at, &value, 8);
    } else if (kind == 1) {
      const std::uint64_t value = random.below(1000);
      std::memcpy(bytes.data() + at, &value, 8);
    } else {
      std::memcpy(bytes.data() + at, at % 64 == 0 ? "{\"a\": 1," : "\"b\": 22,", 8);
    }
  }
  return bytes;
}

struct Place {
  explicit Place(const char* name) : path(std::filesystem::current_path().string() + "/" + name), backend(path) {
    std::filesystem::remove_all(path);
  }
  ~Place() { std::filesystem::remove_all(path); }
  std::string path;
  DirectoryBackend backend;
};

void save(benchmark::State& state) {
  const Place place{"store_bench.tmp"};
  const std::string bytes = array(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    std::filesystem::remove_all(place.path);
    state.ResumeTiming();
    DirectoryBackend backend{place.path};
    BlobStream stream{BlobStore{backend, FlowName{"F"}}.writer().value()};
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    if (!stream.write_from(bytes.size(), ::getpid(), address) || !stream.commit()) state.SkipWithError("save failed");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(save)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void load(benchmark::State& state) {
  Place place{"store_bench.tmp"};
  std::string bytes = array(state.range(0));
  BlobStore blobs{place.backend, FlowName{"F"}};
  auto writer = blobs.writer().value();
  if (!writer->append(bytes)) state.SkipWithError("save failed");
  const BlobKey key = writer->commit().value().key;
  for (auto _ : state) {
    BlobStream stream{blobs.reader(key).value()};
    std::size_t used = 0;
    while (used < bytes.size()) {
      auto piece = stream.read_into(bytes.size() - used, ::getpid(), reinterpret_cast<std::uintptr_t>(bytes.data() + used));
      if (!piece || piece->length == 0) state.SkipWithError("load failed");
      used += piece->length;
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(load)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

RunIdentity identity(const std::string& root) {
  return {.flow = FlowName{"BenchFlow"}, .run = RunId{"1"}, .user = "ann", .tags = {}, .system_tags = {"user:ann", "runtime:dev"},
          .datastore_root = root};
}

std::vector<Field> start_fields() {
  return {{.name = "runtime", .type = "runtime", .value = "dev"}, {.name = "user", .type = "user", .value = "ann"},
          {.name = "python_version", .type = "python_version", .value = "3.11.7"},
          {.name = "script-name", .type = "script-name", .value = "flow.py"},
          {.name = "metaflow_version", .type = "metaflow_version", .value = "2.19.38"}};
}

/// The seventeen artifacts of a trivial task in a foreach.
Manifest artifacts() {
  Manifest manifest;
  for (int i = 0; i < 17; ++i) {
    manifest.set({.name = "artifact_" + std::to_string(i), .key = BlobKey{std::string(40, 'a')}, .size = 20,
                  .type = "<class 'int'>", .encoding = "pickle-v4", .extra = R"({"source": "metaflow"})"});
  }
  return manifest;
}

void task_records(benchmark::State& state) {
  Place place{"store_bench.tmp"};
  RunRecords records{place.backend, place.backend, identity(place.path)};
  int id = 0;
  for (auto _ : state) {
    const AttemptPath attempt{.task = {RunId{"1"}, StepName{"work"}, TaskId{std::to_string(++id)}}, .attempt = 0};
    const WallTime now{std::chrono::microseconds{1'700'000'000'000'000 + id}};
    const bool ok = records.begin(attempt, start_fields(), now).ok() && records.finish(attempt, artifacts(), true, {}, now).ok() &&
                    records.ended(attempt, {}).ok();
    if (!ok) state.SkipWithError("records failed");
  }
}
BENCHMARK(task_records)->Iterations(3000)->Unit(benchmark::kMicrosecond);

void cloned_task(benchmark::State& state) {
  Place place{"store_bench.tmp"};
  RunRecords records{place.backend, place.backend, identity(place.path)};
  int id = 0;
  for (auto _ : state) {
    const TaskPath task{RunId{"2"}, StepName{"work"}, TaskId{std::to_string(++id)}};
    const WallTime now{std::chrono::microseconds{1'700'000'000'000'000 + id}};
    if (!records.clone(task, task, artifacts(), start_fields(), now)) state.SkipWithError("clone failed");
  }
}
BENCHMARK(cloned_task)->Iterations(3000)->Unit(benchmark::kMicrosecond);

void small_blob(benchmark::State& state) {
  Place place{"store_bench.tmp"};
  BlobStore blobs{place.backend, FlowName{"F"}};
  int id = 0;
  for (auto _ : state) {
    if (!blobs.put("pickle of a small value " + std::to_string(++id))) state.SkipWithError("put failed");
  }
}
BENCHMARK(small_blob)->Iterations(3000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace headrace::store

BENCHMARK_MAIN();
