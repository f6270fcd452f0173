#include "launch/host_messages.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "wire/version.h"

namespace headrace::launch {

namespace {

using Json = nlohmann::json;

Error malformed(const std::string& why) {
  return Error{.kind = Kind::failed,
               .what = "the task host sent a message that is not understood",
               .why = why,
               .next = "engine and SDK must come from one installation: reinstall headrace"};
}

template <class T>
T field(const Json& json, const char* name, T otherwise) {
  auto found = json.find(name);
  if (found == json.end() || found->is_null()) return otherwise;
  return found->get<T>();
}

/// Throws nlohmann's exceptions for fields of another type.
Result<HostMessage> read(const Json& json) {
  HostMessage message;
  std::string op = field<std::string>(json, "op", "");
  message.id = field<std::uint64_t>(json, "id", 0);
  message.pid = field<pid_t>(json, "pid", 0);
  message.reason = field<std::string>(json, "reason", "");
  if (op == "ready") {
    int version = field<int>(json, "wire", -1);
    if (version != wire::kWireVersion) {
      return Error{.kind = Kind::misuse,
                   .what = "engine and SDK are of different versions",
                   .why = fmt::format("the engine speaks wire version {}, the SDK {}", wire::kWireVersion, version),
                   .next = "reinstall headrace; if HEADRACE_ENGINE is set, it must point to the engine of this SDK"};
    }
    message.op = HostMessage::Op::ready;
    message.host = HostInfo{.pid = message.pid, .fork_safe = field<bool>(json, "fork_safe", true), .reason = message.reason};
  } else if (op == "started") {
    message.op = HostMessage::Op::started;
    message.fresh = field<std::string>(json, "how", "fork") == "fresh";
    if (message.pid <= 1) return malformed(fmt::format("`started` with pid {}", message.pid));
  } else if (op == "start_failed") {
    message.op = HostMessage::Op::start_failed;
    message.failure = Error{.kind = Kind::failed,
                            .what = field<std::string>(json, "what", "the task's process could not be started"),
                            .why = field<std::string>(json, "why", ""),
                            .next = field<std::string>(json, "next", "")};
  } else if (op == "exited") {
    message.op = HostMessage::Op::exited;
    message.exit = TaskExit{.status = field<int>(json, "status", 0),
                            .user_ms = field<std::int64_t>(json, "user_ms", 0),
                            .system_ms = field<std::int64_t>(json, "system_ms", 0),
                            .peak_kb = field<std::int64_t>(json, "peak_kb", 0)};
  } else {
    return malformed(fmt::format("its op is `{}`", op));
  }
  return message;
}

}  // namespace

Result<HostMessage> parse_host_message(const std::string& bytes) {
  Json json = Json::parse(bytes, nullptr, false);
  if (!json.is_object()) return malformed("it is not a JSON object");
  try {
    return read(json);
  } catch (const Json::exception& e) {
    return malformed(e.what());
  }
}

std::string start_message(std::uint64_t id, const TaskStart& task) {
  Json json{{"op", "start"}, {"id", id}, {"step", task.step}, {"label", task.label},
            {"attempt", task.attempt}, {"fresh", task.fresh}, {"environment", task.environment}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string finish_message(const std::string& run, bool successful) {
  return Json{{"op", "finish"}, {"run", run}, {"successful", successful}}.dump();
}

}  // namespace headrace::launch
