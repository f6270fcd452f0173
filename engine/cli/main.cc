// headrace: the engine. Started by the SDK, not by people; `headrace version` says which one it is.
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <malloc.h>
#include <nss.h>

#include "cli/agent_command.h"
#include "cli/attempt_command.h"
#include "cli/conduct_command.h"
#include "cli/init_command.h"
#include "cli/pods_command.h"
#include "cli/store_command.h"
#include "wire/version.h"

namespace {

/// Says in the executable's first page that it is an engine, and its wire version: a note (elf(5)) of owner `Headrace`, which the SDK
/// looks for before it becomes this program.
[[gnu::used]] void engine_note() {
  asm volatile(
      ".pushsection .note.headrace,\"a\",@note\n"
      ".balign 4\n"
      ".long 9, 4, 1\n"
      ".asciz \"Headrace\"\n"
      ".balign 4\n"
      ".long %c0\n"
      ".popsection" ::"i"(headrace::wire::kWireVersion));
}

int version_command() {
  std::printf("headrace %s (wire %d)\n", HEADRACE_VERSION, headrace::wire::kWireVersion);
  return 0;
}

int usage() {
  std::fputs(
      "usage: headrace COMMAND [OPTIONS]\n"
      "\n"
      "  agent     runs one task in a pod; started there by a run\n"
      "  attempt   serves one attempt to its process; started by `python flow.py step`\n"
      "  conduct   runs a flow; started by `python flow.py run`\n"
      "  init      stores the values of a run; started by `python flow.py init`\n"
      "  pods      lists or kills pods; started by `python flow.py kubernetes`\n"
      "  store     serves the datastore to one Python process; started by the SDK\n"
      "  version   prints the version\n",
      stderr);
  return 2;
}

}  // namespace

int main(int count, char** words) {
  // Names are looked up by what is linked in: any other service of an nsswitch.conf would be loaded, which a static program cannot.
  __nss_configure_lookup("hosts", "files dns");
  // Each thread that allocates would get an arena of its own, which keeps what it has freed.
  mallopt(M_ARENA_MAX, 2);
  std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.empty()) return usage();
  std::span<const std::string> rest = std::span<const std::string>(arguments).subspan(1);
  if (arguments[0] == "agent") return headrace::cli::agent_command(rest);
  if (arguments[0] == "attempt") return headrace::cli::attempt_command(rest);
  if (arguments[0] == "init") return headrace::cli::init_command(rest);
  if (arguments[0] == "conduct") return headrace::cli::conduct_command(rest);
  if (arguments[0] == "pods") return headrace::cli::pods_command(rest);
  if (arguments[0] == "store") return headrace::cli::store_command(rest);
  if (arguments[0] == "version" || arguments[0] == "--version") return version_command();
  return usage();
}
