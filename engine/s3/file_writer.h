#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::s3 {

/// A file that several threads fill side by side, each its own places. Any thread.
///
/// The kernel lets one thread at a time write to a file, and the others spin for their turn, on cores that are wanted: a fifth of what a
/// large download costs. Here who finds the file busy leaves its bytes for the one that is writing, and goes on.
class FileWriter {
 public:
  /// `fd` must live as long.
  explicit FileWriter(int fd) : fd_(fd) {}

  /// Writes `bytes` to the place `at`, or leaves them. Returns 0, or the errno of the first write that failed.
  [[nodiscard]] int write(std::string_view bytes, std::uint64_t at);
  /// What was left is written when this returns; as `write`.
  [[nodiscard]] int flush();

  /// Of what is left at most; who comes with more waits for its turn.
  static constexpr std::size_t kLeftMax = 2 << 20;

 private:
  struct Left {
    std::string bytes;
    std::uint64_t at = 0;
  };
  /// False when that is too much.
  bool leave(std::string_view bytes, std::uint64_t at);
  /// Whose turn it is calls this.
  void write_left();
  void write_now(std::string_view bytes, std::uint64_t at);

  const int fd_;
  std::mutex turn_;    ///< of the one that writes; taken before `mutex_`
  int error_ = 0;      ///< by `turn_`
  std::vector<Left> writing_;  ///< by `turn_`; empty in between, kept for its memory

  std::mutex mutex_;
  std::vector<Left> left_;
  std::vector<std::string> spare_;  ///< memory for what is left next
  std::size_t left_bytes_ = 0;
};

}  // namespace headrace::s3
