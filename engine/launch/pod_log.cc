#include "launch/pod_log.h"

#include <charconv>

#include "codec/timestamp.h"

namespace headrace::launch {

PodLine parse_pod_line(std::string_view line) {
  const PodLine unframed{.text = line};
  constexpr std::string_view kHead = "HR|";
  if (!line.starts_with(kHead)) return unframed;
  const char* start = line.data() + kHead.size();
  const char* stop = line.data() + line.size();
  std::uint64_t seq = 0;
  auto [end, error] = std::from_chars(start, stop, seq);
  if (error != std::errc{} || seq == 0) return unframed;
  std::string_view rest(end, static_cast<std::size_t>(stop - end));
  if (rest.size() < 4 || rest[0] != '|' || (rest[1] != 'o' && rest[1] != 'e') || rest[2] != '|') return unframed;
  const bool err = rest[1] == 'e';
  rest.remove_prefix(3);
  const std::size_t bar = rest.find('|');
  if (bar == std::string_view::npos) return unframed;
  auto when = codec::from_iso(rest.substr(0, bar));
  if (!when) return unframed;
  return PodLine{.seq = seq, .err = err, .when = when, .text = rest.substr(bar + 1)};
}

void PodLog::take(std::string_view line, std::vector<PodLine>& out) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  PodLine parsed = parse_pod_line(line);
  if (!parsed.seq) {
    if (repeating_) return;
    if (skip_unframed_ > 0) {
      --skip_unframed_;
      return;
    }
    ++unframed_;
    out.push_back(parsed);
    return;
  }
  if (*parsed.seq <= last_seq_) {
    repeating_ = *parsed.seq < last_seq_;
    if (!repeating_) skip_unframed_ = unframed_;
    return;
  }
  repeating_ = false;
  skip_unframed_ = 0;
  unframed_ = 0;
  last_seq_ = *parsed.seq;
  last_time_ = parsed.when;
  out.push_back(parsed);
}

std::vector<PodLine> PodLog::add(std::string_view bytes) {
  std::vector<PodLine> out;
  storage_ = std::move(partial_);
  storage_ += bytes;
  partial_.clear();
  std::string_view rest = storage_;
  while (true) {
    const std::size_t end = rest.find('\n');
    if (end != std::string_view::npos && end <= kLineBytesMax) {
      take(rest.substr(0, end), out);
      rest.remove_prefix(end + 1);
    } else if (rest.size() > kLineBytesMax) {
      take(rest.substr(0, kLineBytesMax), out);
      rest.remove_prefix(kLineBytesMax);
    } else {
      break;
    }
  }
  partial_ = rest;
  return out;
}

std::vector<PodLine> PodLog::finish() {
  std::vector<PodLine> out;
  storage_ = std::move(partial_);
  partial_.clear();
  if (!storage_.empty()) take(storage_, out);
  return out;
}

void PodLog::restart() {
  partial_.clear();
  repeating_ = last_seq_ > 0;
  skip_unframed_ = repeating_ ? 0 : unframed_;
}

}  // namespace headrace::launch
