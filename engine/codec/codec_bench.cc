#include <benchmark/benchmark.h>

#include "base/random.h"
#include "codec/gzip.h"
#include "codec/mflog.h"
#include "codec/sha1.h"

namespace {

using namespace headrace;

std::string random_bytes(std::size_t size) {
  Random random(1);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

std::string text_bytes(std::size_t size) {
  Random random(1);
  std::string bytes;
  while (bytes.size() < size) bytes += "{\"name\": \"row\", \"value\": " + std::to_string(random.below(100000)) + "}\n";
  bytes.resize(size);
  return bytes;
}

constexpr std::size_t kMegabyte = 1 << 20;

void compress(benchmark::State& state, const std::string& bytes) {
  std::size_t stored = 0;
  for (auto _ : state) {
    std::string out;
    codec::GzipWriter writer;
    for (std::size_t i = 0; i < bytes.size(); i += kMegabyte) {
      writer.write(std::string_view(bytes).substr(i, kMegabyte), out);
      stored += out.size();
      out.clear();
    }
    writer.finish(out);
    stored += out.size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
  state.counters["ratio"] = static_cast<double>(stored) / static_cast<double>(state.iterations() * bytes.size());
}

void decompress(benchmark::State& state, const std::string& bytes) {
  const std::string stored = codec::gzip(bytes);
  std::string buffer(kMegabyte, '\0');
  for (auto _ : state) {
    codec::GzipReader reader;
    reader.feed(stored);
    while (*reader.read(buffer.data(), buffer.size()) > 0) benchmark::DoNotOptimize(buffer);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}

void BM_GzipText(benchmark::State& state) { compress(state, text_bytes(64 * kMegabyte)); }
void BM_GzipRandom(benchmark::State& state) { compress(state, random_bytes(64 * kMegabyte)); }
void BM_GzipSmall(benchmark::State& state) {
  const std::string bytes = text_bytes(100);
  for (auto _ : state) benchmark::DoNotOptimize(codec::gzip(bytes));
}
void BM_GunzipText(benchmark::State& state) { decompress(state, text_bytes(64 * kMegabyte)); }
void BM_GunzipRandom(benchmark::State& state) { decompress(state, random_bytes(64 * kMegabyte)); }
void BM_GunzipSmall(benchmark::State& state) {
  const std::string stored = codec::gzip(text_bytes(100));
  for (auto _ : state) benchmark::DoNotOptimize(*codec::gunzip(stored));
}
void BM_Sha1(benchmark::State& state) {
  const std::string bytes = random_bytes(kMegabyte);
  for (auto _ : state) benchmark::DoNotOptimize(codec::sha1_hex(bytes));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}
void BM_LogLine(benchmark::State& state) {
  for (auto _ : state) {
    std::string line;
    codec::append_log_line(line, WallTime{}, "runtime", "0f8fad5b-d9cb-469f-a165-70867728950e", "a line of output\n");
    benchmark::DoNotOptimize(codec::parse_log_line(line));
  }
}

BENCHMARK(BM_GzipText);
BENCHMARK(BM_GzipRandom);
BENCHMARK(BM_GzipSmall);
BENCHMARK(BM_GunzipText);
BENCHMARK(BM_GunzipRandom);
BENCHMARK(BM_GunzipSmall);
BENCHMARK(BM_Sha1);
BENCHMARK(BM_LogLine);

}  // namespace

BENCHMARK_MAIN();
