#include "launch/pod_manifest.h"

#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

using codec::Json;

PodIdentity identity() {
  return PodIdentity{.run = RunName{.root = "s3://bucket/flows", .flow = "BigSum", .run = "15", .user = "ann"},
                     .step = "start",
                     .task = "3",
                     .attempt = 1,
                     .try_number = 2};
}

struct Case {
  Case() {
    settings.image = "python:3.11";
    plan.id = identity();
    plan.settings = &settings;
    plan.agent = AgentMaps{.sha1 = std::string(40, 'a'), .architecture = "amd64", .names = {"hr-agent-a-0", "hr-agent-a-1"}};
    plan.owner = Owner{.name = "hr-owner", .uid = "uid-1"};
    plan.bootstrap = "print($HOME)";
  }
  [[nodiscard]] Json pod() const { return pod_manifest(plan); }
  [[nodiscard]] Json container() const { return pod()["spec"]["containers"][0]; }
  wire::PodSettings settings;
  PodPlan plan;
};

/// The value of a container's variable; null if it has none.
Json variable(const Json& container, const std::string& name) {
  for (const Json& one : container["env"]) {
    if (one["name"] == name) return one;
  }
  return nullptr;
}

TEST(PodManifest, DefaultsAreThePromisedPod) {
  Case one;
  const Json wanted = Json::parse(R"json({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {
      "name": "hr-start-3-1-2-a4f5a65b24", "namespace": "default",
      "labels": {"app.kubernetes.io/name": "metaflow-task", "app.kubernetes.io/part-of": "metaflow",
                 "headrace/run": "a4f5a65b24042c711d468a85fe0c2ef89c2fe637"},
      "annotations": {"metaflow/attempt": "1", "metaflow/flow_name": "BigSum", "metaflow/run_id": "15",
                      "metaflow/step_name": "start", "metaflow/task_id": "3", "metaflow/user": "ann"},
      "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "hr-owner", "uid": "uid-1"}]},
    "spec": {
      "restartPolicy": "Never", "activeDeadlineSeconds": 432000, "terminationGracePeriodSeconds": 5,
      "enableServiceLinks": false, "automountServiceAccountToken": false,
      "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
      "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}]}}},
      "volumes": [
        {"name": "headrace-agent", "projected": {"sources": [
          {"configMap": {"name": "hr-agent-a-0", "items": [{"key": "part", "path": "000"}]}},
          {"configMap": {"name": "hr-agent-a-1", "items": [{"key": "part", "path": "001"}]}}]}},
        {"name": "headrace-work", "emptyDir": {}},
        {"name": "headrace-code", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
      "containers": [{
        "name": "start", "image": "python:3.11",
        "command": ["python3", "-c", "print($$HOME)"],
        "workingDir": "/headrace/work",
        "env": [
          {"name": "HEADRACE_AGENT_PARTS", "value": "/headrace/agent"},
          {"name": "HEADRACE_AGENT_SHA1", "value": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
          {"name": "HEADRACE_CODE", "value": "/headrace/code"},
          {"name": "HEADRACE_WORK", "value": "/headrace/work"},
          {"name": "METAFLOW_KUBERNETES_WORKLOAD", "value": "1"},
          {"name": "METAFLOW_RUNTIME_ENVIRONMENT", "value": "kubernetes"},
          {"name": "METAFLOW_RUN_ID", "value": "15"},
          {"name": "METAFLOW_USER", "value": "ann"},
          {"name": "METAFLOW_KUBERNETES_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
          {"name": "METAFLOW_KUBERNETES_POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
          {"name": "METAFLOW_KUBERNETES_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
          {"name": "METAFLOW_KUBERNETES_POD_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
          {"name": "METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
          {"name": "METAFLOW_KUBERNETES_NODE_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
          {"name": "HEADRACE_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"requests": {"cpu": "1", "memory": "4096M", "ephemeral-storage": "10240M"}, "limits": {"memory": "4096M"}},
        "volumeMounts": [
          {"name": "headrace-agent", "mountPath": "/headrace/agent", "readOnly": true},
          {"name": "headrace-work", "mountPath": "/headrace/work"},
          {"name": "headrace-code", "mountPath": "/headrace/code"}],
        "securityContext": {"allowPrivilegeEscalation": false},
        "terminationMessagePolicy": "FallbackToLogsOnError"}]}})json");
  EXPECT_EQ(one.pod().dump(1), wanted.dump(1));
}

TEST(PodManifest, EveryArgumentHasItsPlace) {
  Case one;
  wire::PodSettings& settings = one.settings;
  settings.image_pull_policy = "Always";
  settings.namespace_ = "ml";
  settings.service_account = "trainer";
  settings.executable = "/opt/python";
  settings.image_pull_secrets = {"registry"};
  settings.secrets = {"keys", "more"};
  settings.labels = {{"team", "a"}, {"app.kubernetes.io/name", "mine"}};
  settings.annotations = {{"note", "b"}, {"metaflow/user", "nobody"}};
  settings.node_selector = {{"pool", "big"}};
  settings.persistent_volume_claims = {{"data.1", "/data"}};
  settings.tolerations = Json::parse(R"([{"key": "gpu", "operator": "Exists"}])");
  settings.tmpfs_size_mib = 64;
  settings.shared_memory_mib = 128;
  settings.port = 8080;
  settings.time_limit_s = 61;
  one.plan.annotations = {{"metaflow/project_name", "p"}};
  one.plan.environment = {{"METAFLOW_CODE_SHA", "abc"}};
  const Json pod = one.pod();
  const Json& spec = pod["spec"];
  const Json& container = spec["containers"][0];
  EXPECT_EQ(pod["metadata"]["namespace"], "ml");
  EXPECT_EQ(pod["metadata"]["labels"]["team"], "a");
  EXPECT_EQ(pod["metadata"]["labels"]["app.kubernetes.io/name"], "metaflow-task");
  EXPECT_EQ(pod["metadata"]["annotations"]["note"], "b");
  EXPECT_EQ(pod["metadata"]["annotations"]["metaflow/user"], "ann");
  EXPECT_EQ(pod["metadata"]["annotations"]["metaflow/project_name"], "p");
  EXPECT_EQ(spec["serviceAccountName"], "trainer");
  EXPECT_EQ(spec["automountServiceAccountToken"], true);
  EXPECT_EQ(spec["activeDeadlineSeconds"], 61);
  EXPECT_EQ(spec["nodeSelector"], Json::parse(R"({"pool": "big"})"));
  EXPECT_EQ(spec["tolerations"], settings.tolerations);
  EXPECT_EQ(spec["imagePullSecrets"], Json::parse(R"([{"name": "registry"}])"));
  EXPECT_EQ(spec["volumes"][3].dump(), R"({"name":"tmpfs-ephemeral-volume","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}})");
  EXPECT_EQ(spec["volumes"][4].dump(), R"({"name":"dhsm","emptyDir":{"medium":"Memory","sizeLimit":"128Mi"}})");
  EXPECT_EQ(spec["volumes"][5].dump(), R"({"name":"data-1","persistentVolumeClaim":{"claimName":"data.1"}})");
  EXPECT_EQ(container["imagePullPolicy"], "Always");
  EXPECT_EQ(container["command"][0], "/opt/python");
  EXPECT_EQ(container["envFrom"].dump(), R"([{"secretRef":{"name":"keys"}},{"secretRef":{"name":"more"}}])");
  EXPECT_EQ(container["ports"].dump(), R"([{"containerPort":8080}])");
  EXPECT_EQ(container["volumeMounts"][3].dump(), R"({"name":"tmpfs-ephemeral-volume","mountPath":"/metaflow_temp"})");
  EXPECT_EQ(container["volumeMounts"][4].dump(), R"({"name":"dhsm","mountPath":"/dev/shm"})");
  EXPECT_EQ(container["volumeMounts"][5].dump(), R"({"name":"data-1","mountPath":"/data"})");
  EXPECT_EQ(variable(container, "METAFLOW_TEMPDIR")["value"], "/metaflow_temp");
  EXPECT_EQ(variable(container, "METAFLOW_CODE_SHA")["value"], "abc");
}

TEST(PodManifest, ResourcesFollowTheQualityOfService) {
  struct Row {
    const char* what;
    std::function<void(Case&)> change;
    const char* requests;
    const char* limits;
  };
  const Row rows[] = {
      {"merged with @resources", [](Case& c) { c.settings.cpu = "4.0", c.settings.memory_mb = "60000.0", c.settings.disk_mb = "10240.0"; },
       R"({"cpu":"4.0","memory":"60000.0M","ephemeral-storage":"10240.0M"})", R"({"memory":"60000.0M"})"},
      {"Metaflow's burstable", [](Case& c) { c.plan.limit_memory = false; },
       R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M"})", "{}"},
      {"guaranteed", [](Case& c) { c.settings.qos = "guaranteed", c.plan.limit_memory = false; },
       R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M"})", R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M"})"},
      {"gpu", [](Case& c) { c.settings.gpu = "2", c.settings.gpu_vendor = "amd"; },
       R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M"})", R"({"memory":"4096M","amd.com/gpu":"2"})"},
      {"no gpu, said so", [](Case& c) { c.settings.gpu = "0"; },
       R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M"})", R"({"memory":"4096M","nvidia.com/gpu":"0"})"},
      {"extended", [](Case& c) { c.settings.extended_resources = Json::parse(R"({"example.com/fpga": 1})"); },
       R"({"cpu":"1","memory":"4096M","ephemeral-storage":"10240M","example.com/fpga":1})", R"({"memory":"4096M","example.com/fpga":1})"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Case one;
    row.change(one);
    const Json resources = one.container()["resources"];
    EXPECT_EQ(resources["requests"].dump(), row.requests);
    EXPECT_EQ(resources["limits"].dump(), row.limits);
  }
}

TEST(PodManifest, SecurityIsSafeAndCanBeSaid) {
  struct Row {
    const char* what;
    bool restricted;
    const char* asked;
    const char* context;
  };
  const Row rows[] = {
      {"default", false, "null", R"({"allowPrivilegeEscalation":false})"},
      {"restricted", true, "null",
       R"({"allowPrivilegeEscalation":false,"runAsNonRoot":true,"runAsUser":1000,"capabilities":{"drop":["ALL"]}})"},
      {"a user of its own", true, R"({"run_as_user": 7, "run_as_group": 8})",
       R"({"allowPrivilegeEscalation":false,"runAsNonRoot":true,"runAsUser":7,"capabilities":{"drop":["ALL"]},"runAsGroup":8})"},
      {"privileged", false, R"({"privileged": true})", R"({"privileged":true})"},
      {"said", false, R"({"allow_privilege_escalation": true, "run_as_non_root": true, "privileged": null})",
       R"({"allowPrivilegeEscalation":true,"runAsNonRoot":true})"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Case one;
    one.plan.restricted = row.restricted;
    one.settings.security_context = Json::parse(row.asked);
    const Json container = one.container();
    EXPECT_EQ(container["securityContext"].dump(), row.context);
    EXPECT_EQ(variable(container, "HOME").is_null(), !row.restricted);
  }
}

TEST(PodManifest, VariablesAreTakenAsTheyAre) {
  Case one;
  one.plan.environment = {{"A", "$(B) $C $$"}};
  EXPECT_EQ(variable(one.container(), "A")["value"], "$$(B) $$C $$$$");
}

TEST(PodName, IsShortPlainAndUnlikeAnyOther) {
  PodIdentity id = identity();
  EXPECT_EQ(pod_name(id), "hr-start-3-1-2-a4f5a65b24");
  id.step = std::string(80, 'x');
  EXPECT_EQ(pod_name(id).size(), 63u);
  EXPECT_TRUE(pod_name(id).ends_with("x-3-1-2-a4f5a65b24"));
  id.step = "__Train_Model__é";
  EXPECT_EQ(pod_name(id), "hr-train-model-3-1-2-a4f5a65b24");
  id.step = "_";
  EXPECT_EQ(pod_name(id), "hr-step-3-1-2-a4f5a65b24");
  id.task = "3_node_1";
  const std::string worker = pod_name(id);
  EXPECT_EQ(worker, "hr-step-3-node-1-1-2-a4f5a65b24");
  for (const char* other : {"3-node_1", "3-node-1", "3_node-1"}) {
    id.task = other;
    EXPECT_NE(pod_name(id), worker);
  }
  id.task = std::string(300, '7');
  EXPECT_LE(pod_name(id).size(), 63u);
}

TEST(PodName, RunsAreToldApart) {
  const RunName run = identity().run;
  RunName other = run;
  other.root = "s3://bucket/other";
  EXPECT_NE(run_key(run), run_key(other));
  other = run;
  other.flow = "BigSum1", other.run = "5";
  EXPECT_NE(run_key(run), run_key(other));
  EXPECT_EQ(run_selector(run), "headrace/run=" + run_key(run));
}

TEST(PodName, AContainerIsNamedAfterItsStep) {
  EXPECT_EQ(container_name("load_data"), "load-data");
  EXPECT_EQ(container_name("Start"), "start");
  EXPECT_EQ(container_name("___"), "step");
}

}  // namespace
}  // namespace headrace::launch
