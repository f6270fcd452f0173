// Drives LLVMFuzzerTestOneInput where libFuzzer is missing (g++): the corpus as it is, then changed again and again. Sees no
// coverage, so its corpus must hold a sample of everything; sanitizers make it worth its time.
//
// usage: x_fuzz [-runs=N] [-max_total_time=SECONDS] [-seed=N] [FILE or FOLDER...]
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kInputBytesMax = 1 << 16;

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::vector<std::string>& corpus) : random_(seed), corpus_(corpus) {}

  std::string next() {
    std::string input = corpus_[below(corpus_.size())];
    for (std::size_t changes = 1 + below(6); changes > 0; --changes) change(input);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(std::string& input) {
    static const char* const kWords[] = {"\"", "{", "}", "[", "]", "null", "-1", "18446744073709551616", "1e999", "\\ud800", "\xff\xfe", "\n", "0", "true"};
    const std::size_t at = below(input.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(input.size() - at, 32) + 1);
    switch (below(8)) {
      case 0: if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8))); break;
      case 1: if (at < input.size()) input[at] = static_cast<char>(random_()); break;
      case 2: input.erase(at, length); break;
      case 3: input.insert(at, input.substr(at, length)); break;
      case 4: input.insert(at, kWords[below(std::size(kWords))]); break;
      case 5: input.insert(at, 1, static_cast<char>(random_())); break;
      case 6: input.resize(at); break;
      default: {
        const std::string& other = corpus_[below(corpus_.size())];
        const std::size_t from = below(other.size() + 1);
        input = input.substr(0, at) + other.substr(from);
      }
    }
  }

  std::mt19937_64 random_;
  const std::vector<std::string>& corpus_;
};

void read_corpus(const std::filesystem::path& path, std::vector<std::string>& corpus) {
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) read_corpus(entry.path(), corpus);
    }
    return;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s cannot be read\n", path.c_str());
    std::exit(2);
  }
  corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// A crash leaves the input that made it behind, as libFuzzer does.
std::string current;
void save_current() {
  std::ofstream("crash-input", std::ios::binary) << current;
  std::fprintf(stderr, "the input is in ./crash-input (%zu bytes)\n", current.size());
}

void run_one(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

}  // namespace

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

int main(int argc, char** argv) {
  std::uint64_t runs = 100'000;
  std::uint64_t seconds = 0;
  std::uint64_t seed = 1;
  std::vector<std::string> corpus{""};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto number = [&] { return std::strtoull(argv[i] + argument.find('=') + 1, nullptr, 10); };
    if (argument.starts_with("-runs=")) runs = number();
    else if (argument.starts_with("-max_total_time=")) seconds = number();
    else if (argument.starts_with("-seed=")) seed = number();
    else if (!argument.starts_with("-")) read_corpus(argument, corpus);
  }
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current);
  // A broken HR_CHECK aborts.
  std::signal(SIGABRT, [](int) {
    save_current();
    std::_Exit(1);
  });
  for (const std::string& input : corpus) run_one(input);
  Mutator mutator(seed, corpus);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::uint64_t done = 0;
  while (seconds > 0 ? std::chrono::steady_clock::now() < end : done < runs) {
    run_one(mutator.next());
    ++done;
  }
  std::printf("%llu inputs, %zu of them from the corpus\n", static_cast<unsigned long long>(done + corpus.size()), corpus.size());
  return 0;
}
