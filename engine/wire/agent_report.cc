#include "wire/agent_report.h"

#include <utility>

#include "codec/json.h"

namespace headrace::wire {
namespace {

using codec::find_int;
using codec::find_string;
using codec::get_string;
using codec::Json;

/// Bytes of one text of `trouble`, first try; halved until the report fits.
constexpr std::size_t kTextBytesMax = 1024;

/// At most `bytes_max` bytes, never half a character.
std::string cut(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string text_of(const AgentReport& report, std::size_t text_bytes_max, bool with_next) {
  Json json{{"headrace_agent", 1},
            {"stage", report.stage},
            {"exit_code", report.exit_code},
            {"signal", report.signal},
            {"peak_kb", report.peak_kb},
            {"lines_stored", report.lines_stored},
            {"python_version", cut(report.python_version, 64)}};
  if (const auto& commit = report.committed) {
    Json& into = json["committed"] = Json{{"ok", commit->ok}, {"transition", nullptr}};
    if (commit->has_transition) {
      const bool whole = with_next && !commit->next_left_out;
      into["transition"] = Json{{"next", whole ? Json(commit->next) : Json(nullptr)}, {"splits", nullptr}};
      if (commit->splits) into["transition"]["splits"] = *commit->splits;
    }
  }
  if (const auto& trouble = report.trouble) {
    json["trouble"] = Json{{"kind", to_string(trouble->kind)},
                           {"what", cut(trouble->what, text_bytes_max)},
                           {"where", cut(trouble->where, text_bytes_max)},
                           {"why", cut(trouble->why, text_bytes_max)},
                           {"next", cut(trouble->next, text_bytes_max)}};
  }
  return codec::dump_json(json);
}

Result<ReportedCommit> commit_of(const Json& json) {
  ReportedCommit commit{.ok = HR_TRY(codec::get_bool(json, "ok"))};
  const Json* transition = HR_TRY(codec::find_object(json, "transition"));
  if (transition == nullptr) return commit;
  commit.has_transition = true;
  const Json* next = HR_TRY(codec::get_any(*transition, "next"));
  commit.next_left_out = next->is_null();
  if (!commit.next_left_out) commit.next = HR_TRY(codec::get_strings(*transition, "next"));
  commit.splits = HR_TRY(find_int(*transition, "splits"));
  return commit;
}

Result<std::optional<Error>> trouble_of(const Json& json) {
  const Json* found = HR_TRY(codec::find_object(json, "trouble"));
  if (found == nullptr) return std::optional<Error>();
  Error error;
  error.kind = kind_from(HR_TRY(get_string(*found, "kind")));
  error.what = HR_TRY(get_string(*found, "what"));
  error.where = HR_TRY(get_string(*found, "where"));
  error.why = HR_TRY(get_string(*found, "why"));
  error.next = HR_TRY(get_string(*found, "next"));
  return std::optional<Error>(std::move(error));
}

Result<AgentReport> parse(std::string_view text) {
  const Json json = HR_TRY(codec::parse_json(text, "the termination message"));
  if (const auto version = HR_TRY(codec::get_int(json, "headrace_agent")); version != 1) {
    return Error{.what = "the report is of another version of the agent"};
  }
  AgentReport report;
  report.stage = HR_TRY(get_string(json, "stage"));
  report.exit_code = static_cast<int>(HR_TRY(codec::get_int(json, "exit_code")));
  report.signal = static_cast<int>(HR_TRY(codec::get_int(json, "signal")));
  report.peak_kb = HR_TRY(codec::get_int(json, "peak_kb"));
  report.lines_stored = HR_TRY(codec::get_uint(json, "lines_stored"));
  report.python_version = HR_TRY(find_string(json, "python_version")).value_or("");
  if (const Json* commit = HR_TRY(codec::find_object(json, "committed"))) report.committed = HR_TRY(commit_of(*commit));
  report.trouble = HR_TRY(trouble_of(json));
  return report;
}

}  // namespace

std::string to_text(const AgentReport& report) {
  for (std::size_t bytes = kTextBytesMax; bytes > 0; bytes /= 2) {
    for (const bool with_next : {true, false}) {
      std::string text = text_of(report, bytes, with_next);
      if (text.size() <= kReportBytesMax) return text;
      if (!report.committed || report.committed->next.empty()) break;
    }
  }
  return text_of(report, 0, false);
}

Result<AgentReport> parse_agent_report(std::string_view text) {
  auto report = parse(text);
  if (report) return report;
  return std::move(report).error().at("the report of a pod's agent");
}

}  // namespace headrace::wire
