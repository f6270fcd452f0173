// What schedulers and kubelets do to a pod, for FakeCluster.
#include <fmt/format.h>

#include "base/check.h"
#include "kube/testing/fake_cluster.h"

namespace headrace::kube::testing {

using codec::Json;

namespace {

constexpr const char* kTime = "2026-01-01T00:00:00Z";

Json container_status(const Json& pod, Json state, bool ready) {
  const Json& container = pod["spec"]["containers"][0];
  return Json::array({{{"name", container["name"]}, {"image", container["image"]}, {"ready", ready}, {"restartCount", 0}, {"state", std::move(state)}}});
}

}  // namespace

void FakeCluster::unschedulable(const std::string& ns, const std::string& pod, const std::string& message) {
  const Json condition{{"type", "PodScheduled"}, {"status", "False"}, {"reason", "Unschedulable"}, {"message", message}, {"lastTransitionTime", kTime}};
  set_status(ns, pod, {{"phase", "Pending"}, {"conditions", Json::array({condition})}});
}

void FakeCluster::waiting(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message) {
  const Json* found = find("pods", ns, pod);
  HR_CHECK(found != nullptr);
  const Json state{{"waiting", {{"reason", reason}, {"message", message}}}};
  set_status(ns, pod, {{"phase", "Pending"}, {"containerStatuses", container_status(*found, state, false)}});
}

void FakeCluster::run(const std::string& ns, const std::string& pod, const std::string& node) {
  const Json* found = find("pods", ns, pod);
  HR_CHECK(found != nullptr);
  Json object = *found;
  object["spec"]["nodeName"] = node;
  put("pods", ns, object);
  const Json condition{{"type", "PodScheduled"}, {"status", "True"}, {"lastTransitionTime", kTime}};
  const Json state{{"running", {{"startedAt", kTime}}}};
  set_status(ns, pod, {{"phase", "Running"}, {"startTime", kTime}, {"hostIP", "10.0.0.1"}, {"conditions", Json::array({condition})},
                       {"containerStatuses", container_status(object, state, true)}});
}

void FakeCluster::finish(const std::string& ns, const std::string& pod, int exit_code, const std::string& reason,
                         const std::string& termination) {
  const Json* found = find("pods", ns, pod);
  HR_CHECK(found != nullptr);
  std::string why = reason;
  if (why.empty()) why = exit_code == 0 ? "Completed" : "Error";
  Json ended{{"exitCode", exit_code}, {"reason", why}, {"startedAt", kTime}, {"finishedAt", kTime}};
  if (!termination.empty()) ended["message"] = termination;
  set_status(ns, pod, {{"phase", exit_code == 0 ? "Succeeded" : "Failed"},
                       {"containerStatuses", container_status(*found, {{"terminated", std::move(ended)}}, false)}});
}

void FakeCluster::fail(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message) {
  set_status(ns, pod, {{"phase", "Failed"}, {"reason", reason}, {"message", message}});
}

void FakeCluster::event(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message) {
  const Json* found = find("pods", ns, pod);
  HR_CHECK(found != nullptr);
  const std::size_t number = names("events", ns).size();
  put("events", ns, {{"apiVersion", "v1"}, {"kind", "Event"}, {"metadata", {{"name", fmt::format("event-{}", number)}}}, {"type", "Warning"},
                     {"reason", reason}, {"message", message}, {"count", 1}, {"lastTimestamp", kTime},
                     {"involvedObject", {{"kind", "Pod"}, {"namespace", ns}, {"name", pod}, {"uid", (*found)["metadata"]["uid"]}}}});
}

}  // namespace headrace::kube::testing
