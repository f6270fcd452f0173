#include "launch/pod_manifest.h"

#include <cctype>

#include <fmt/format.h>

#include "codec/sha1.h"

namespace headrace::launch {

namespace {

using codec::Json;

constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kTaskBytesMax = 24;
constexpr std::size_t kKeyDigits = 10;
constexpr int kGraceSeconds = 5;
constexpr int kRestrictedUser = 1000;
/// The SDK takes 6; what is not used is not taken.
constexpr std::int64_t kCodeMibMax = 64;

/// [a-z0-9-], with a letter or digit at both ends; may come out empty.
std::string dns_label(std::string_view text, std::size_t bytes_max) {
  std::string label;
  for (unsigned char c : text) {
    const bool plain = std::isalnum(c) && c < 0x80;
    if (plain) label += static_cast<char>(std::tolower(c));
    else if (!label.empty() && label.back() != '-') label += '-';
    if (label.size() == bytes_max) break;
  }
  while (!label.empty() && label.back() == '-') label.pop_back();
  return label;
}

/// The task's id where it is plain and short, as all of ours are (`2`, `2_node_1`); else a hash, so that two never meet in one name.
std::string task_label(const std::string& task) {
  std::string label = dns_label(task, kNameBytesMax);
  std::string wanted = task;
  if (const auto node = wanted.find("_node_"); node != std::string::npos) wanted.replace(node, 6, "-node-");
  const bool plain = label == wanted && task.find("-node-") == std::string::npos;
  if (plain && task.size() <= kTaskBytesMax && !label.empty()) return label;
  return codec::sha1_hex(task).substr(0, 12);
}

/// Kubernetes replaces `$(NAME)` in the values of variables and in commands; `$$` stands for one `$`.
std::string literal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '$') out += '$';
    out += c;
  }
  return out;
}

Json named(std::string_view name) { return Json{{"name", name}}; }

Json names_of(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(named(name));
  return list;
}

Json strings(const std::map<std::string, std::string>& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

std::string tempdir(const wire::PodSettings& settings) {
  return settings.tmpfs_size_mib && settings.tmpfs_tempdir ? settings.tmpfs_path : std::string{};
}

Json environment_of(const PodPlan& plan) {
  std::map<std::string, std::string> values = plan.environment;
  values["METAFLOW_RUN_ID"] = plan.id.run.run;
  values["METAFLOW_USER"] = plan.id.run.user;
  values["METAFLOW_KUBERNETES_WORKLOAD"] = "1";
  values["METAFLOW_RUNTIME_ENVIRONMENT"] = "kubernetes";
  values["HEADRACE_AGENT_PARTS"] = kAgentFolder;
  values["HEADRACE_AGENT_SHA1"] = plan.agent.sha1;
  values["HEADRACE_WORK"] = kWorkFolder;
  values["HEADRACE_CODE"] = kCodeFolder;
  if (const std::string folder = tempdir(*plan.settings); !folder.empty()) values["METAFLOW_TEMPDIR"] = folder;
  if (plan.restricted) values.emplace("HOME", kWorkFolder);

  Json list = Json::array();
  for (const auto& [name, value] : values) list.push_back(Json{{"name", name}, {"value", literal(value)}});
  constexpr std::pair<const char*, const char*> kReferences[] = {
      {"METAFLOW_KUBERNETES_NAMESPACE", "metadata.namespace"},
      {"METAFLOW_KUBERNETES_POD_NAMESPACE", "metadata.namespace"},
      {"METAFLOW_KUBERNETES_POD_NAME", "metadata.name"},
      {"METAFLOW_KUBERNETES_POD_ID", "metadata.uid"},
      {"METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME", "spec.serviceAccountName"},
      {"METAFLOW_KUBERNETES_NODE_IP", "status.hostIP"},
      {"HEADRACE_POD_IP", "status.podIP"}};
  for (const auto& [name, path] : kReferences) {
    if (values.count(name)) continue;
    list.push_back(Json{{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}});
  }
  return list;
}

Json resources_of(const PodPlan& plan) {
  const wire::PodSettings& settings = *plan.settings;
  // Metaflow's MB are 10^6 bytes: Kubernetes' suffix M.
  Json requests{{"cpu", settings.cpu}, {"memory", settings.memory_mb + "M"}, {"ephemeral-storage", settings.disk_mb + "M"}};
  Json limits = Json::object();
  if (settings.qos == "guaranteed") limits = requests;
  else if (plan.limit_memory) limits["memory"] = requests["memory"];
  for (const auto& [name, amount] : settings.extended_resources.items()) {
    requests[name] = amount;
    limits[name] = amount;
  }
  if (!settings.gpu.empty()) {
    const std::string vendor = settings.gpu_vendor.empty() ? "nvidia" : settings.gpu_vendor;
    limits[vendor + ".com/gpu"] = settings.gpu;
  }
  return Json{{"requests", requests}, {"limits", limits}};
}

Json container_security(const PodPlan& plan) {
  Json context = Json::object();
  context["allowPrivilegeEscalation"] = false;
  if (plan.restricted) {
    context["runAsNonRoot"] = true;
    context["runAsUser"] = kRestrictedUser;
    context["capabilities"] = Json{{"drop", Json::array({"ALL"})}};
  }
  const Json& asked = plan.settings->security_context;
  if (!asked.is_object()) return context;
  constexpr std::pair<const char*, const char*> kNames[] = {{"privileged", "privileged"},
                                                            {"allow_privilege_escalation", "allowPrivilegeEscalation"},
                                                            {"run_as_user", "runAsUser"},
                                                            {"run_as_group", "runAsGroup"},
                                                            {"run_as_non_root", "runAsNonRoot"}};
  // The API server refuses a privileged container that may not gain privileges.
  auto privileged = asked.find("privileged");
  if (privileged != asked.end() && *privileged == true) context.erase("allowPrivilegeEscalation");
  for (const auto& [from, to] : kNames) {
    auto found = asked.find(from);
    if (found != asked.end() && !found->is_null()) context[to] = *found;
  }
  return context;
}

Json agent_volume(const AgentMaps& agent) {
  Json sources = Json::array();
  for (std::size_t i = 0; i < agent.names.size(); ++i) {
    Json item{{"key", kAgentPartKey}, {"path", fmt::format("{:03}", i)}};
    sources.push_back(Json{{"configMap", {{"name", agent.names[i]}, {"items", Json::array({item})}}}});
  }
  return Json{{"name", "headrace-agent"}, {"projected", {{"sources", sources}}}};
}

Json memory_volume(std::string_view name, std::int64_t size_mib) {
  return Json{{"name", name}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", fmt::format("{}Mi", size_mib)}}}};
}

struct Volumes {
  Json volumes = Json::array();
  Json mounts = Json::array();

  void add(Json volume, std::string_view path, bool read_only = false) {
    Json mount{{"name", volume["name"]}, {"mountPath", path}};
    if (read_only) mount["readOnly"] = true;
    volumes.push_back(std::move(volume));
    mounts.push_back(std::move(mount));
  }
};

Volumes volumes_of(const PodPlan& plan) {
  const wire::PodSettings& settings = *plan.settings;
  Volumes all;
  all.add(agent_volume(plan.agent), kAgentFolder, true);
  all.add(Json{{"name", "headrace-work"}, {"emptyDir", Json::object()}}, kWorkFolder);
  all.add(memory_volume("headrace-code", kCodeMibMax), kCodeFolder);
  if (settings.tmpfs_size_mib) {
    all.add(memory_volume("tmpfs-ephemeral-volume", *settings.tmpfs_size_mib), settings.tmpfs_path);
  }
  if (settings.shared_memory_mib) all.add(memory_volume("dhsm", *settings.shared_memory_mib), "/dev/shm");
  for (const auto& [claim, path] : settings.persistent_volume_claims) {
    all.add(Json{{"name", dns_label(claim, kNameBytesMax)}, {"persistentVolumeClaim", {{"claimName", claim}}}}, path);
  }
  return all;
}

Json container_of(const PodPlan& plan, Json mounts) {
  const wire::PodSettings& settings = *plan.settings;
  const std::string python = settings.executable.empty() ? "python3" : settings.executable;
  Json container{{"name", container_name(plan.id.step)}, {"image", settings.image}};
  if (!settings.image_pull_policy.empty()) container["imagePullPolicy"] = settings.image_pull_policy;
  container["command"] = Json::array({literal(python), "-c", literal(plan.bootstrap)});
  container["workingDir"] = kWorkFolder;
  container["env"] = environment_of(plan);
  Json from = Json::array();
  for (const std::string& secret : settings.secrets) from.push_back(Json{{"secretRef", named(secret)}});
  if (!from.empty()) container["envFrom"] = from;
  if (settings.port) container["ports"] = Json::array({Json{{"containerPort", *settings.port}}});
  container["resources"] = resources_of(plan);
  container["volumeMounts"] = std::move(mounts);
  container["securityContext"] = container_security(plan);
  // Without a report of the agent, the end of the log says why.
  container["terminationMessagePolicy"] = "FallbackToLogsOnError";
  return container;
}

Json affinity_of(const AgentMaps& agent) {
  Json here{{"key", "kubernetes.io/arch"}, {"operator", "In"}, {"values", Json::array({agent.architecture})}};
  Json term{{"matchExpressions", Json::array({here})}};
  Json required{{"nodeSelectorTerms", Json::array({term})}};
  return Json{{"nodeAffinity", {{"requiredDuringSchedulingIgnoredDuringExecution", required}}}};
}

Json metadata_of(const PodPlan& plan) {
  const PodIdentity& id = plan.id;
  Json labels = strings(plan.settings->labels);
  labels["app.kubernetes.io/name"] = "metaflow-task";
  labels["app.kubernetes.io/part-of"] = "metaflow";
  labels[kRunLabel] = run_key(id.run);

  std::map<std::string, std::string> annotations = plan.settings->annotations;
  for (const auto& [name, value] : plan.annotations) annotations[name] = value;
  annotations["metaflow/flow_name"] = id.run.flow;
  annotations["metaflow/run_id"] = id.run.run;
  annotations["metaflow/step_name"] = id.step;
  annotations["metaflow/task_id"] = id.task;
  annotations["metaflow/attempt"] = std::to_string(id.attempt);
  annotations["metaflow/user"] = id.run.user;

  Json owner{{"apiVersion", "batch/v1"}, {"kind", "Job"}, {"name", plan.owner.name}, {"uid", plan.owner.uid}};
  return Json{{"name", pod_name(id)},
              {"namespace", plan.settings->namespace_},
              {"labels", labels},
              {"annotations", strings(annotations)},
              {"ownerReferences", Json::array({owner})}};
}

}  // namespace

std::string run_key(const RunName& run) {
  std::string text = run.root;
  text += '\0';
  text += run.flow;
  text += '\0';
  text += run.run;
  return codec::sha1_hex(text);
}

std::string run_selector(const RunName& run) { return fmt::format("{}={}", kRunLabel, run_key(run)); }

std::string pod_name(const PodIdentity& id) {
  const std::string tail = fmt::format("-{}-{}-{}-{}", task_label(id.task), id.attempt, id.try_number,
                                       run_key(id.run).substr(0, kKeyDigits));
  constexpr std::string_view kHead = "hr-";
  std::string step = dns_label(id.step, kNameBytesMax - kHead.size() - tail.size());
  if (step.empty()) step = "step";
  return std::string(kHead) + step + tail;
}

std::string container_name(std::string_view step) {
  std::string name = dns_label(step, kNameBytesMax);
  return name.empty() ? "step" : name;
}

codec::Json pod_manifest(const PodPlan& plan) {
  const wire::PodSettings& settings = *plan.settings;
  Volumes volumes = volumes_of(plan);
  Json spec = Json::object();
  spec["restartPolicy"] = "Never";
  spec["activeDeadlineSeconds"] = settings.time_limit_s;
  spec["terminationGracePeriodSeconds"] = kGraceSeconds;
  spec["enableServiceLinks"] = false;
  // A step that names its service account wants to use it.
  spec["automountServiceAccountToken"] = !settings.service_account.empty();
  if (!settings.service_account.empty()) spec["serviceAccountName"] = settings.service_account;
  spec["securityContext"] = Json{{"seccompProfile", {{"type", "RuntimeDefault"}}}};
  spec["affinity"] = affinity_of(plan.agent);
  if (!settings.node_selector.empty()) spec["nodeSelector"] = strings(settings.node_selector);
  if (settings.tolerations.is_array() && !settings.tolerations.empty()) spec["tolerations"] = settings.tolerations;
  if (!settings.image_pull_secrets.empty()) spec["imagePullSecrets"] = names_of(settings.image_pull_secrets);
  spec["volumes"] = std::move(volumes.volumes);
  spec["containers"] = Json::array({container_of(plan, std::move(volumes.mounts))});
  return Json{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata_of(plan)}, {"spec", std::move(spec)}};
}

}  // namespace headrace::launch
