#include "launch/pod_state.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "codec/json_path.h"
#include "codec/timestamp.h"

namespace headrace::launch {

namespace {

using codec::Json;
using codec::text_at;
using codec::value_at;

int number(const Json& object, const char* key) {
  const Json& value = value_at(object, key);
  return value.is_number_integer() ? value.get<int>() : 0;
}

PodPhase phase_of(const std::string& name) {
  if (name == "Pending" || name.empty()) return PodPhase::pending;
  if (name == "Running") return PodPhase::running;
  if (name == "Succeeded") return PodPhase::succeeded;
  if (name == "Failed") return PodPhase::failed;
  return PodPhase::unknown;
}

ContainerEnd end_of(const Json& terminated) {
  return ContainerEnd{.exit_code = number(terminated, "exitCode"),
                      .signal = number(terminated, "signal"),
                      .reason = text_at(terminated, "reason"),
                      .message = text_at(terminated, "message")};
}

void read_containers(const Json& status, std::string_view container, PodFacts& facts) {
  const Json& list = value_at(status, "containerStatuses");
  if (!list.is_array()) return;
  for (const Json& one : list) {
    const Json& state = value_at(one, "state");
    const bool runs = value_at(state, "running").is_object();
    if (text_at(one, "name") != container) {
      facts.others_run |= runs;
      continue;
    }
    const Json& terminated = value_at(state, "terminated");
    const Json& waiting = value_at(state, "waiting");
    facts.started = runs || terminated.is_object();
    if (terminated.is_object()) facts.end = end_of(terminated);
    facts.waiting_reason = text_at(waiting, "reason");
    facts.waiting_message = text_at(waiting, "message");
  }
}

std::string dash(const std::string& a, const std::string& b) { return b.empty() ? a : a + " - " + b; }

/// A sidecar: it starts with the init containers and stays.
bool is_sidecar(const Json& spec, const std::string& name) {
  const Json& list = value_at(spec, "initContainers");
  if (!list.is_array()) return false;
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& one) { return text_at(one, "name") == name && text_at(one, "restartPolicy") == "Always"; });
}

void read_init(const Json& spec, const Json& status, PodFacts& facts) {
  const Json& list = value_at(status, "initContainerStatuses");
  if (!list.is_array()) return;
  for (const Json& one : list) {
    const Json& state = value_at(one, "state");
    const std::string name = text_at(one, "name");
    const bool starting = value_at(one, "started") != true;
    if (value_at(state, "running").is_object() && (starting || !is_sidecar(spec, name))) facts.init = fmt::format("Init container {} is running", name);
    const Json& waiting = value_at(state, "waiting");
    if (waiting.is_object() && text_at(waiting, "reason") != "PodInitializing") {
      facts.init = fmt::format("Init container {} is waiting - {}", name, dash(text_at(waiting, "reason"), text_at(waiting, "message")));
    }
    const Json& terminated = value_at(state, "terminated");
    if (terminated.is_object() && number(terminated, "exitCode") != 0) {
      facts.init = fmt::format("Init container {} has failed - {} (exit code {})", name,
                               dash(text_at(terminated, "reason"), text_at(terminated, "message")), number(terminated, "exitCode"));
    }
    if (!facts.init.empty()) return;
  }
}

void read_conditions(const Json& status, PodFacts& facts) {
  const Json& list = value_at(status, "conditions");
  if (!list.is_array()) return;
  bool ready = true, containers_ready = false;
  for (const Json& one : list) {
    const std::string type = text_at(one, "type");
    const std::string value = text_at(one, "status");
    if (type == "PodScheduled" && value == "False") {
      facts.unscheduled_reason = text_at(one, "reason");
      facts.unscheduled_message = text_at(one, "message");
    } else if (type == "DisruptionTarget" && value == "True") {
      facts.disruption_reason = text_at(one, "reason");
      facts.disruption_message = text_at(one, "message");
    } else if (type == "Ready") {
      ready = value == "True";
    } else if (type == "ContainersReady") {
      containers_ready = value == "True";
    }
  }
  // The node's own last word is that all is ready; only the control plane says otherwise.
  facts.node_silent = facts.phase == PodPhase::running && containers_ready && !ready;
}

void read_metadata(const Json& metadata, PodFacts& facts) {
  facts.name = text_at(metadata, "name");
  facts.uid = text_at(metadata, "uid");
  if (const std::string time = text_at(metadata, "deletionTimestamp"); !time.empty()) {
    facts.deleting = codec::from_iso(time).value_or(WallTime{});
  }
  const Json& owners = value_at(metadata, "ownerReferences");
  if (owners.is_array() && !owners.empty()) facts.owner_uid = text_at(owners[0], "uid");
}

std::string one_line(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return std::isspace(c); }, ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// Without digits: how many nodes are full or how long a back-off lasts is no new reason.
std::string key_of(std::string_view text) {
  std::string key;
  std::copy_if(text.begin(), text.end(), std::back_inserter(key), [](unsigned char c) { return !std::isdigit(c); });
  return key;
}

bool is_image_wait(const std::string& reason) { return reason == "ErrImagePull" || reason == "ImagePullBackOff"; }

PodWait wait(std::string words, std::string key, bool ordinary) {
  return PodWait{.key = std::move(key), .words = one_line(std::move(words)), .ordinary = ordinary};
}

}  // namespace

PodFacts read_pod(const Json& pod, std::string_view container) {
  PodFacts facts;
  read_metadata(value_at(pod, "metadata"), facts);
  facts.node = text_at(value_at(pod, "spec"), "nodeName");
  const Json& status = value_at(pod, "status");
  facts.phase = phase_of(text_at(status, "phase"));
  facts.reason = text_at(status, "reason");
  facts.message = text_at(status, "message");
  facts.node_ip = text_at(status, "hostIP");
  facts.ip = text_at(status, "podIP");
  read_containers(status, container, facts);
  read_init(value_at(pod, "spec"), status, facts);
  read_conditions(status, facts);
  return facts;
}

std::optional<PodWait> why_waiting(const PodFacts& pod, std::string_view event) {
  if (pod.started || pod.ended() || pod.deleting) return std::nullopt;
  const std::string start = "Pod is pending";
  if (!pod.unscheduled_reason.empty()) {
    PodWait unscheduled = wait(fmt::format("{}, {}", start, dash(pod.unscheduled_reason, pod.unscheduled_message)),
                               key_of(pod.unscheduled_reason + pod.unscheduled_message), false);
    unscheduled.unschedulable = pod.unscheduled_reason == "Unschedulable";
    return unscheduled;
  }
  if (!pod.init.empty()) return wait(fmt::format("{}, {}", start, pod.init), key_of(pod.init), pod.init.ends_with("is running"));
  if (is_image_wait(pod.waiting_reason)) {
    return wait(fmt::format("{}, Container is waiting - {}", start, dash(pod.waiting_reason, pod.waiting_message)), "image", false);
  }
  const bool creating = pod.waiting_reason == "ContainerCreating" || pod.waiting_reason == "PodInitializing";
  if (!pod.waiting_reason.empty() && !creating) {
    return wait(fmt::format("{}, Container is waiting - {}", start, dash(pod.waiting_reason, pod.waiting_message)),
                pod.waiting_reason + key_of(pod.waiting_message), false);
  }
  if (!event.empty()) return wait(fmt::format("{}, {}", start, event), key_of(event), false);
  if (creating) return wait(fmt::format("{}, Container is waiting - {}", start, pod.waiting_reason), "creating", true);
  return wait(start, "pending", true);
}

}  // namespace headrace::launch
