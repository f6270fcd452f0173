#include <cstdint>
#include <string_view>

#include "wire/agent_report.h"
#include "wire/agent_spec.h"
#include "wire/flow_spec.h"
#include "wire/frame.h"
#include "wire/messages.h"

/// Whatever bytes come: an answer or an Error; and what was understood is understood again after being written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)wire::parse_run_spec(bytes);
  (void)wire::decode_frame(bytes);
  if (const auto spec = wire::parse_agent_spec(bytes)) HR_CHECK(wire::parse_agent_spec(wire::to_text(*spec)).ok());
  if (const auto report = wire::parse_agent_report(bytes)) HR_CHECK(wire::parse_agent_report(wire::to_text(*report)).ok());
  const auto body = wire::parse_body(bytes);
  if (!body) return 0;
  (void)wire::check_answer(*body);
  (void)wire::parse_run_spec(wire::Frame{.id = 0, .body = *body, .payload = {}});
  if (const auto pod = wire::parse_pod_settings(*body)) HR_CHECK(wire::parse_pod_settings(wire::to_json(*pod)).ok());
  if (const auto answer = wire::parse_begin_answer(*body)) HR_CHECK(wire::parse_begin_answer(wire::to_json(*answer)).ok());
  const auto request = wire::parse_attempt_request(*body);
  if (!request) return 0;
  const auto again = wire::parse_attempt_request(wire::to_json(*request));
  HR_CHECK(again.ok());
  HR_CHECK(wire::to_json(*again) == wire::to_json(*request));
  return 0;
}
