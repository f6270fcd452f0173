#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/exec_plugin.h"
#include "kube/kubeconfig.h"

// Any text is a kubeconfig or an Error; the same for what a plugin prints.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::kube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = read_kubeconfig(text, "fuzz", "/nowhere");
  if (config) {
    const auto access = parse_kubeconfig(text, "fuzz", "/nowhere", {}, "");
    HR_CHECK(access.ok() || !access.error().what.empty());
  } else {
    HR_CHECK(!config.error().why.empty() || !config.error().what.empty());
  }
  (void)parse_credential(text, "client.authentication.k8s.io/v1");
  return 0;
}
