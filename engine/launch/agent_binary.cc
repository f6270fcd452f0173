#include "launch/agent_binary.h"

#include <elf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace headrace::launch {
namespace {

Error unfit(const std::string& name, std::string why) {
  return Error{.kind = Kind::misuse,
               .what = fmt::format("{} cannot be the agent of a pod", name),
               .why = std::move(why),
               .next = "build the preset `release` (cmake --preset release, then cmake --build --preset release) and run with that "
                       "engine, or name it in HEADRACE_AGENT"};
}

template <class T>
bool read_at(const std::string& bytes, std::size_t offset, T& into) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&into, bytes.data() + offset, sizeof(T));
  return true;
}

}  // namespace

Result<std::string> check_agent_binary(const std::string& bytes, const std::string& name) {
  Elf64_Ehdr head;
  if (!read_at(bytes, 0, head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) {
    return unfit(name, "it is no 64-bit executable of Linux");
  }
  for (std::size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part;
    if (!read_at(bytes, head.e_phoff + i * sizeof(part), part)) return unfit(name, "it is cut off");
    if (part.p_type == PT_INTERP) return unfit(name, "it needs shared libraries, which a pod's image does not have");
  }
  switch (head.e_machine) {
    case EM_X86_64: return std::string("amd64");
    case EM_AARCH64: return std::string("arm64");
    default: return unfit(name, fmt::format("it is for a machine of type {}, which has no agent", head.e_machine));
  }
}

Result<AgentBinary> read_agent_binary(const std::string& file) {
  const std::string path = file.empty() ? "/proc/self/exe" : file;
  const std::string name = file.empty() ? "this development build" : fmt::format("`{}` (HEADRACE_AGENT)", file);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  AgentBinary agent;
  if (in) agent.bytes.assign(std::istreambuf_iterator<char>(in), {});
  if (!in || in.bad()) return system_error(errno, fmt::format("the agent of pods, {}, cannot be read", path));
  auto architecture = check_agent_binary(agent.bytes, name);
  if (!architecture) return std::move(architecture).error();
  agent.architecture = *std::move(architecture);
  return agent;
}

}  // namespace headrace::launch
