#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/json.h"
#include "launch/agent_binary.h"
#include "launch/host_messages.h"
#include "launch/pod_failure.h"
#include "launch/pod_log.h"
#include "launch/pod_state.h"

namespace {

using namespace headrace;

struct Line {
  std::optional<std::uint64_t> seq;
  bool err;
  std::string text;
  bool operator==(const Line&) const = default;
};

void keep(const std::vector<launch::PodLine>& lines, std::vector<Line>& kept) {
  for (const launch::PodLine& line : lines) kept.push_back(Line{line.seq, line.err, std::string(line.text)});
}

std::vector<Line> read_log(std::string_view bytes, std::size_t piece, launch::PodLog& log) {
  std::vector<Line> kept;
  for (std::size_t at = 0; at < bytes.size(); at += piece) keep(log.add(bytes.substr(at, piece)), kept);
  keep(log.finish(), kept);
  return kept;
}

/// The same lines in whatever pieces they come; none when the same log comes again; numbers only grow.
void check_log(std::string_view bytes) {
  launch::PodLog whole, pieces;
  const std::vector<Line> lines = read_log(bytes, bytes.size() + 1, whole);
  HR_CHECK(lines == read_log(bytes, 5, pieces));
  std::uint64_t last = 0;
  for (const Line& line : lines) {
    HR_CHECK(!line.seq || *line.seq > last);
    if (line.seq) last = *line.seq;
  }
  whole.restart();
  HR_CHECK(read_log(bytes, 11, whole).empty());
}

void check_pod(std::string_view bytes) {
  const auto json = codec::parse_json(bytes, "fuzz");
  if (!json) return;
  launch::PodCase one;
  one.pod = launch::read_pod(*json, "task");
  if (const auto wait = launch::why_waiting(one.pod, "")) HR_CHECK(!wait->words.empty() && !wait->key.empty());
  one.report = launch::report_of(one.pod);
}

}  // namespace

// What a cluster and a task host say, and the file that is to be the agent: any bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_log(bytes);
  check_pod(bytes);
  const std::string text(bytes);
  (void)launch::parse_host_message(text);
  (void)launch::check_agent_binary(text, "fuzz");
  return 0;
}
