#include <cstdint>
#include <string_view>

#include "wire/flow_spec.h"
#include "wire/frame.h"
#include "wire/messages.h"

/// Whatever bytes come: an answer or an Error; and what was understood is understood again after being written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)wire::parse_run_spec(bytes);
  (void)wire::decode_frame(bytes);
  const auto body = wire::parse_body(bytes);
  if (!body) return 0;
  (void)wire::check_answer(*body);
  (void)wire::parse_run_spec(wire::Frame{.id = 0, .body = *body, .payload = {}});
  if (const auto answer = wire::parse_begin_answer(*body)) HR_CHECK(wire::parse_begin_answer(wire::to_json(*answer)).ok());
  const auto request = wire::parse_attempt_request(*body);
  if (!request) return 0;
  const auto again = wire::parse_attempt_request(wire::to_json(*request));
  HR_CHECK(again.ok());
  HR_CHECK(wire::to_json(*again) == wire::to_json(*request));
  return 0;
}
