// How fast the client moves objects, beside what the service gives. Needs an S3 server: METAFLOW_S3_ENDPOINT_URL, credentials, and
// HEADRACE_TEST_S3_ROOT=s3://bucket/prefix. `peak_mb` is the largest memory of this process so far, so run one at a time for it.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "s3/client.h"

namespace headrace::s3 {
namespace {

constexpr std::size_t kPiece = 16 << 20;

std::string noise(std::size_t size) {
  Random random{size};
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t word = random.next();
    bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  return bytes;
}

/// The client and where to write; empty bucket when there is no server.
struct Place {
  std::unique_ptr<Client> client;
  Address root;
  std::string folder;

  Address at(const std::string& name) const { return {.bucket = root.bucket, .key = root.key + "/bench/" + name}; }
};

Place& place() {
  static Place& found = *new Place;
  const char* root = std::getenv("HEADRACE_TEST_S3_ROOT");
  if (found.client || root == nullptr) return found;
  auto settings = Settings::from_environment();
  if (!settings) return found;
  auto client = Client::make(*settings);
  auto address = parse_address(root);
  if (!client || !address) return found;
  found.client = std::move(*client);
  found.root = *address;
  const char* folder = std::getenv("TMPDIR");
  found.folder = std::string{folder == nullptr ? "/tmp" : folder} + "/headrace-s3-bench-" + std::to_string(::getpid());
  std::filesystem::create_directories(found.folder);
  return found;
}

void report(benchmark::State& state, std::uint64_t bytes, int requests) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_mb"] = static_cast<double>(usage.ru_maxrss) / 1000;
  if (bytes > 0) state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  if (requests > 0) state.SetItemsProcessed(requests);
}

/// Runs `one` with each number below `count` on that many threads; false if any failed.
template <class One>
bool side_by_side(int threads, int count, One one) {
  std::atomic<int> next{0};
  std::atomic<bool> ok{true};
  std::vector<std::jthread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      for (int i = next++; i < count; i = next++) {
        if (!one(i)) ok = false;
      }
    });
  }
  running.clear();
  return ok;
}

void SmallObjects(benchmark::State& state, bool put) {
  Place& s3 = place();
  if (!s3.client) return state.SkipWithError("HEADRACE_TEST_S3_ROOT is not set, or S3 cannot be used");
  const std::string bytes = noise(static_cast<std::size_t>(state.range(0)));
  constexpr int kCount = 1000;
  const auto write = [&](int i) { return s3.client->put(s3.at("small-" + std::to_string(i)), bytes, {}).ok(); };
  const auto read = [&](int i) { return s3.client->get(s3.at("small-" + std::to_string(i))).ok(); };
  if (!put && !side_by_side(32, kCount, write)) return state.SkipWithError("put failed");
  std::uint64_t moved = 0;
  for (auto _ : state) {
    if (!(put ? side_by_side(32, kCount, write) : side_by_side(32, kCount, read))) return state.SkipWithError("a request failed");
    moved += kCount * bytes.size();
  }
  report(state, moved, static_cast<int>(state.iterations()) * kCount);
}
BENCHMARK_CAPTURE(SmallObjects, put, true)->Arg(1000)->Arg(1'000'000)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(SmallObjects, get, false)->Arg(1000)->Arg(1'000'000)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

void LargeObject(benchmark::State& state, bool put) {
  Place& s3 = place();
  if (!s3.client) return state.SkipWithError("HEADRACE_TEST_S3_ROOT is not set, or S3 cannot be used");
  const std::string path = s3.folder + "/large";
  const auto size = static_cast<std::uint64_t>(state.range(0)) << 20;
  {
    const std::string piece = noise(kPiece);
    std::ofstream file{path, std::ios::binary};
    for (std::uint64_t written = 0; written < size; written += piece.size()) file << piece;
  }
  if (!put && !s3.client->put_file(s3.at("large"), path, {}).ok()) return state.SkipWithError("put failed");
  for (auto _ : state) {
    const bool ok = put ? s3.client->put_file(s3.at("large"), path, {}).ok()
                        : s3.client->get_to_file(s3.at("large"), s3.folder + "/down", std::nullopt).ok();
    if (!ok) return state.SkipWithError("the transfer failed");
  }
  report(state, static_cast<std::uint64_t>(state.iterations()) * size, 0);
  std::filesystem::remove(path);
  std::filesystem::remove(s3.folder + "/down");
}
BENCHMARK_CAPTURE(LargeObject, put, true)->Arg(2048)->Iterations(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(LargeObject, get, false)->Arg(2048)->Iterations(2)->UseRealTime()->Unit(benchmark::kMillisecond);

void Streamed(benchmark::State& state) {
  Place& s3 = place();
  if (!s3.client) return state.SkipWithError("HEADRACE_TEST_S3_ROOT is not set, or S3 cannot be used");
  const std::string bytes = noise(512 << 20);
  if (!s3.client->put(s3.at("streamed"), bytes, {}).ok()) return state.SkipWithError("put failed");
  std::string buffer(1 << 20, '\0');
  std::uint64_t moved = 0;
  for (auto _ : state) {
    auto reader = s3.client->open(s3.at("streamed"));
    if (!reader) return state.SkipWithError("open failed");
    for (;;) {
      const auto n = (*reader)->read(buffer);
      if (!n) return state.SkipWithError("read failed");
      if (*n == 0) break;
      moved += *n;
    }
  }
  report(state, moved, 0);
}
BENCHMARK(Streamed)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace headrace::s3

BENCHMARK_MAIN();
