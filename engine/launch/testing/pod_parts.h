#pragma once

#include <elf.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "launch/pod_launcher.h"
#include "loop/event.h"

namespace headrace::launch::testing {

/// The smallest thing that passes for a static executable.
inline std::string write_agent() {
  Elf64_Ehdr head{};
  ::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_machine = EM_X86_64;
  const std::string path = fmt::format("{}/launch_test_agent.{}", ::testing::TempDir(), ::getpid());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&head), sizeof(head));
  return path;
}

/// What a launcher tells of an attempt.
struct Heard : PodListener {
  explicit Heard(loop::EventLoop& loop) : changed(loop) {}
  void note(std::string line) override { notes.push_back(std::move(line)), changed.notify(); }
  void placed(std::string pod) override { pods.push_back(std::move(pod)), changed.notify(); }
  void output(bool err, WallTime, std::optional<std::uint64_t> seq, std::string_view line) override {
    lines.push_back(fmt::format("{}{} {}", err ? "e" : "o", seq.value_or(0), line));
    changed.notify();
  }
  loop::Async<void> room() override {
    while (full) co_await changed.wait();
  }
  loop::Event changed;
  bool full = false;
  std::vector<std::string> notes, pods, lines;
};

}  // namespace headrace::launch::testing
