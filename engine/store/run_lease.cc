#include "store/run_lease.h"

#include "codec/timestamp.h"
#include "store/run_copy.h"

namespace headrace::store {

namespace {

std::string lease_key(const FlowName& flow, const RunId& run) { return CopyNames::folder(flow, run) + "/lease"; }

}  // namespace

Result<void> renew_run_lease(Backend& data, const FlowName& flow, const RunId& run, WallTime now) {
  return data.put(lease_key(flow, run), codec::to_iso(now));
}

Result<std::optional<WallTime>> read_run_lease(Backend& data, const FlowName& flow, const RunId& run) {
  auto text = data.get(lease_key(flow, run));
  if (text) return codec::from_iso(*text);
  if (text.error().kind == Kind::missing) return std::optional<WallTime>{};
  return std::move(text).error();
}

Result<void> remove_run_lease(Backend& data, const FlowName& flow, const RunId& run) { return data.remove(lease_key(flow, run)); }

}  // namespace headrace::store
