#include "launch/agent_binary.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

namespace headrace::launch {
namespace {

/// An executable of `machine` with one program header of type `part`.
std::string executable(Elf64_Half machine, Elf64_Word part) {
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_machine = machine;
  head.e_phoff = sizeof(head);
  head.e_phnum = 1;
  Elf64_Phdr header{};
  header.p_type = part;
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof(head));
  return bytes.append(reinterpret_cast<const char*>(&header), sizeof(header));
}

TEST(AgentBinary, AStaticExecutableIsFitAndNamesItsArchitecture) {
  EXPECT_EQ(check_agent_binary(executable(EM_X86_64, PT_LOAD), "agent").value(), "amd64");
  EXPECT_EQ(check_agent_binary(executable(EM_AARCH64, PT_LOAD), "agent").value(), "arm64");
}

TEST(AgentBinary, OneThatNeedsLibrariesIsRefusedWithTheWayOut) {
  const auto checked = check_agent_binary(executable(EM_X86_64, PT_INTERP), "`x` (HEADRACE_AGENT)");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, Kind::misuse);
  EXPECT_EQ(checked.error().what, "`x` (HEADRACE_AGENT) cannot be the agent of a pod");
  EXPECT_EQ(checked.error().why, "it needs shared libraries, which a pod's image does not have");
  EXPECT_NE(checked.error().next.find("HEADRACE_AGENT"), std::string::npos);
}

TEST(AgentBinary, WhatIsNoExecutableIsRefusedAtAnyLength) {
  const std::string whole = executable(EM_X86_64, PT_LOAD);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(check_agent_binary(whole.substr(0, length), "agent")) << length;
  }
  EXPECT_FALSE(check_agent_binary("#!/bin/sh\n" + whole, "agent"));
  EXPECT_FALSE(check_agent_binary(executable(EM_PPC64, PT_LOAD), "agent"));
}

TEST(AgentBinary, AFileThatIsNotThereIsNamed) {
  const auto read = read_agent_binary("/nonexistent/agent");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().what.find("/nonexistent/agent"), std::string::npos);
}

}  // namespace
}  // namespace headrace::launch
