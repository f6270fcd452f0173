#include "launch/testing/fake_cluster.h"

#include <algorithm>
#include <deque>

#include <fmt/format.h>

namespace headrace::launch::testing {

using codec::Json;
using kube::Answer;
using kube::Call;

namespace {

Answer refused(int status, const std::string& reason, const std::string& message) {
  return Answer{.status = status, .body = Json{{"kind", "Status"}, {"status", "Failure"}, {"reason", reason}, {"message", message}, {"code", status}}};
}

std::string pods_of(const std::string& ns) { return "/api/v1/namespaces/" + ns + "/pods"; }

bool is_collection(const std::string& path) {
  return path.ends_with("/pods") || path.ends_with("/jobs") || path.ends_with("/configmaps") || path.ends_with("/events") || path.ends_with("/nodes");
}

bool is_pod(const std::string& path) { return path.find("/pods/") != std::string::npos; }

}  // namespace

struct FakeCluster::Watcher {
  explicit Watcher(loop::EventLoop& loop) : changed(loop) {}
  std::string collection;
  std::map<std::string, std::string> query;
  std::deque<Json> events;
  bool closed = false;
  loop::Event changed;
};

struct FakeCluster::Log {
  explicit Log(loop::EventLoop& loop) : changed(loop) {}
  std::string text;
  bool ended = false;
  int breaks = 0;
  int open = 0;
  loop::Event changed;
};

class FakeCluster::FakeLogStream final : public kube::LogStream {
 public:
  FakeLogStream(std::shared_ptr<Log> log, kube::LogOptions options) : log_(std::move(log)), options_(std::move(options)), breaks_(log_->breaks) {
    ++log_->open;
    if (options_.stop) options_.stop->on_stop([log = log_] { log->changed.notify(); });
  }
  ~FakeLogStream() override { --log_->open; }
  loop::Async<Result<std::string>> read() override {
    while (true) {
      if (options_.stop && options_.stop->stopped()) co_return Error{.kind = Kind::missing, .what = "no longer wanted"};
      if (breaks_ != log_->breaks) co_return Error{.kind = Kind::retry, .what = "the connection was lost"};
      if (at_ < log_->text.size()) {
        std::string piece = log_->text.substr(at_);
        at_ = log_->text.size();
        co_return piece;
      }
      if (log_->ended || !options_.follow) co_return std::string();
      co_await log_->changed.wait();
    }
  }

 private:
  std::shared_ptr<Log> log_;
  kube::LogOptions options_;
  int breaks_;
  std::size_t at_ = 0;
};

class FakeCluster::FakeWatchStream final : public kube::WatchStream {
 public:
  explicit FakeWatchStream(std::shared_ptr<Watcher> watcher) : watcher_(std::move(watcher)) {}
  loop::Async<Result<std::optional<Json>>> next() override {
    const std::shared_ptr<Watcher> watcher = watcher_;  // The stream may be gone when the wait ends.
    while (watcher->events.empty() && !watcher->closed) co_await watcher->changed.wait();
    if (watcher->events.empty()) co_return std::optional<Json>{};
    std::optional<Json> event = std::move(watcher->events.front());
    watcher->events.pop_front();
    co_return event;
  }
  void close() override {
    watcher_->closed = true;
    watcher_->changed.notify();
  }

 private:
  std::shared_ptr<Watcher> watcher_;
};

FakeCluster::FakeCluster(loop::EventLoop& loop) : loop_(loop), called_(loop) {
  access_.server = "https://fake";
  access_.source = "a fake";
}

FakeCluster::~FakeCluster() = default;

void FakeCluster::add_namespace(const std::string& name, Json labels) {
  objects_["/api/v1/namespaces/" + name] = Json{{"metadata", {{"name", name}, {"uid", name}, {"labels", std::move(labels)}}}, {"status", {{"phase", "Active"}}}};
}

void FakeCluster::add_node(const std::string& name, const std::string& cpu, const std::string& memory) {
  objects_["/api/v1/nodes/" + name] = Json{
      {"metadata", {{"name", name}, {"uid", name}, {"labels", {{"kubernetes.io/arch", "amd64"}}}}},
      {"spec", Json::object()},
      {"status", {{"allocatable", {{"cpu", cpu}, {"memory", memory}, {"ephemeral-storage", "100G"}}}}}};
}

void FakeCluster::add_event(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message) {
  const std::string name = fmt::format("event-{}", ++version_);
  objects_[fmt::format("/api/v1/namespaces/{}/events/{}", ns, name)] =
      Json{{"metadata", {{"name", name}, {"uid", name}}}, {"reason", reason}, {"message", message}, {"involvedObject", {{"kind", "Pod"}, {"name", pod}}}};
}

const Json* FakeCluster::find(const std::string& path) const {
  auto found = objects_.find(path);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<const Json*> FakeCluster::in(const std::string& collection, const std::map<std::string, std::string>& query) const {
  std::vector<const Json*> all;
  auto selector = query.find("labelSelector");
  auto fields = query.find("fieldSelector");
  for (auto it = objects_.lower_bound(collection + "/"); it != objects_.end() && it->first.starts_with(collection + "/"); ++it) {
    if (selector != query.end()) {
      const std::size_t equals = selector->second.find('=');
      const Json labels = it->second["metadata"].value("labels", Json::object());
      if (labels.value(selector->second.substr(0, equals), "") != selector->second.substr(equals + 1)) continue;
    }
    if (fields != query.end() && fields->second == "status.phase!=Failed" && it->second["status"].value("phase", "") == "Failed") continue;
    all.push_back(&it->second);
  }
  return all;
}

std::vector<std::string> FakeCluster::names(const std::string& collection) const {
  std::vector<std::string> all;
  for (const Json* object : in(collection, {})) all.push_back((*object)["metadata"]["name"]);
  return all;
}

std::size_t FakeCluster::count(const std::string& start_of_call) const {
  return static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const std::string& one) { return one.starts_with(start_of_call); }));
}

std::size_t FakeCluster::log_streams() const {
  std::size_t open = 0;
  for (const auto& [path, log] : logs_) open += static_cast<std::size_t>(log->open);
  return open;
}

void FakeCluster::tell(const std::string& type, const std::string& path, const Json& object) {
  for (auto& watcher : watchers_) {
    if (!path.starts_with(watcher->collection + "/")) continue;
    watcher->events.push_back(Json{{"type", type}, {"object", object}});
    watcher->changed.notify();
  }
}

void FakeCluster::change_pod(const std::string& path, const std::function<void(Json&)>& change) {
  Json& pod = objects_.at(path);
  change(pod);
  pod["metadata"]["resourceVersion"] = std::to_string(++version_);
  tell("MODIFIED", path, pod);
}

void FakeCluster::set_status(const std::string& ns, const std::string& pod, Json status) {
  change_pod(pods_of(ns) + "/" + pod, [&](Json& json) {
    json["status"] = std::move(status);
    json["spec"]["nodeName"] = "node-1";
  });
}

void FakeCluster::start(const std::string& ns, const std::string& pod) {
  const Json container = objects_.at(pods_of(ns) + "/" + pod)["spec"]["containers"][0]["name"];
  Json status{{"name", container}, {"state", {{"running", {{"startedAt", "2026-01-02T03:04:05Z"}}}}}};
  set_status(ns, pod, Json{{"phase", "Running"}, {"containerStatuses", Json::array({status})}});
}

void FakeCluster::finish(const std::string& ns, const std::string& pod, int code, const std::string& reason, const std::string& message) {
  const std::string path = pods_of(ns) + "/" + pod;
  const Json container = objects_.at(path)["spec"]["containers"][0]["name"];
  Json status{{"name", container}, {"state", {{"terminated", {{"exitCode", code}, {"reason", reason}, {"message", message}}}}}};
  Log& log = log_of(path);
  log.ended = true;
  log.changed.notify();
  set_status(ns, pod, Json{{"phase", code == 0 ? "Succeeded" : "Failed"}, {"containerStatuses", Json::array({status})}});
}

void FakeCluster::mark_deleting(const std::string& ns, const std::string& pod) {
  change_pod(pods_of(ns) + "/" + pod, [](Json& json) { json["metadata"]["deletionTimestamp"] = "2999-01-02T03:04:05Z"; });
}

void FakeCluster::remove(const std::string& path) {
  auto found = objects_.find(path);
  if (found == objects_.end()) return;
  const Json object = std::move(found->second);
  objects_.erase(found);
  if (auto log = logs_.find(path); log != logs_.end() && !logs_hang) {
    log->second->ended = true;
    log->second->changed.notify();
  }
  tell("DELETED", path, object);
}

FakeCluster::Log& FakeCluster::log_of(const std::string& path) {
  auto& log = logs_[path];
  if (!log) log = std::make_shared<Log>(loop_);
  return *log;
}

void FakeCluster::write_log(const std::string& ns, const std::string& pod, const std::string& text) {
  Log& log = log_of(pods_of(ns) + "/" + pod);
  log.text += text;
  log.changed.notify();
}

void FakeCluster::break_logs(const std::string& ns, const std::string& pod) {
  Log& log = log_of(pods_of(ns) + "/" + pod);
  ++log.breaks;
  log.changed.notify();
}

Answer FakeCluster::post(const Call& call) {
  if (call.path.ends_with("/selfsubjectrulesreviews")) {
    return Answer{.status = 201, .body = Json::parse(R"({"status": {"incomplete": false, "resourceRules":
      [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}})")};
  }
  const std::string name = call.body["metadata"]["name"];
  const std::string path = call.path + "/" + name;
  if (objects_.count(path)) return refused(409, "AlreadyExists", "\"" + name + "\" already exists");
  Json object = call.body;
  if (is_pod(path)) {
    const Json owner = object["metadata"]["ownerReferences"][0];
    bool owned = false;
    for (const auto& [at, one] : objects_) owned |= one["metadata"].value("uid", "") == owner["uid"];
    if (!owned) return refused(422, "Invalid", "its owner does not exist");
    object["status"] = Json{{"phase", "Pending"}};
  }
  if (call.query.count("dryRun")) return Answer{.status = 201, .body = object};
  object["metadata"]["uid"] = "uid-" + std::to_string(++version_);
  object["metadata"]["resourceVersion"] = std::to_string(version_);
  objects_[path] = object;
  tell("ADDED", path, object);
  return Answer{.status = 201, .body = object};
}

Answer FakeCluster::remove_one(const std::string& path, const Json& options) {
  auto found = objects_.find(path);
  if (found == objects_.end()) return refused(404, "NotFound", "\"" + path + "\" not found");
  const Json uid = found->second["metadata"]["uid"];
  if (is_pod(path)) {
    change_pod(path, [](Json& pod) { pod["metadata"]["deletionTimestamp"] = "2999-01-02T03:04:05Z"; });
    if (!keep_deleted) loop_.post([this, path] { remove(path); });
    return Answer{.status = 200, .body = Json::object()};
  }
  objects_.erase(found);
  // Only asked to does the API server collect what a Job owned.
  if (!options.is_object() || options.value("propagationPolicy", "") != "Background") return Answer{.status = 200, .body = Json::object()};
  for (const auto& [at, object] : objects_) {
    const Json owners = object["metadata"].value("ownerReferences", Json::array());
    if (!owners.empty() && owners[0]["uid"] == uid) loop_.post([this, path = at] { remove(path); });
  }
  return Answer{.status = 200, .body = Json::object()};
}

Answer FakeCluster::remove_many(const Call& call) {
  std::vector<std::string> paths;
  for (const Json* object : in(call.path, call.query)) paths.push_back(call.path + "/" + (*object)["metadata"]["name"].get<std::string>());
  for (const std::string& path : paths) (void)remove_one(path, call.body);
  return Answer{.status = 200, .body = Json::object()};
}

Answer FakeCluster::answer(const Call& call) {
  if (call.method == "POST") return post(call);
  if (call.method == "DELETE") return is_collection(call.path) ? remove_many(call) : remove_one(call.path, call.body);
  if (is_collection(call.path)) {
    Json items = Json::array();
    for (const Json* object : in(call.path, call.query)) items.push_back(*object);
    return Answer{.status = 200, .body = Json{{"items", items}}};
  }
  auto found = objects_.find(call.path);
  if (found == objects_.end()) return refused(404, "NotFound", "\"" + call.path + "\" not found");
  if (call.method == "PATCH") found->second.merge_patch(call.body);
  return Answer{.status = 200, .body = found->second};
}

loop::Async<Result<Answer>> FakeCluster::call(Call call) {
  calls_.push_back(call.method + " " + call.path + (call.query.count("dryRun") ? "?dryRun" : ""));
  called_.notify();
  co_await loop_.yield();
  if (before_answer) co_await before_answer(call);
  if (intercept) {
    if (auto other = intercept(call)) co_return *std::move(other);
  }
  co_return answer(call);
}

loop::Async<Result<Json>> FakeCluster::call_ok(Call call) {
  const Call copy = call;
  auto answer = co_await this->call(std::move(call));
  if (!answer) co_return std::move(answer).error();
  if (!answer->ok()) co_return kube::refusal(copy, *answer, access_);
  co_return std::move(answer->body);
}

loop::Async<Result<kube::Listing>> FakeCluster::list(Call call) {
  auto body = co_await call_ok(std::move(call));
  if (!body) co_return std::move(body).error();
  kube::Listing listing;
  for (const Json& item : (*body)["items"]) listing.items.push_back(item);
  listing.resource_version = std::to_string(version_);
  co_return listing;
}

loop::Async<Result<std::unique_ptr<kube::LogStream>>> FakeCluster::follow_log(std::string ns, std::string pod, kube::LogOptions options) {
  const std::string path = pods_of(ns) + "/" + pod;
  calls_.push_back("GET " + path + "/log");
  called_.notify();
  co_await loop_.yield();
  if (!objects_.count(path)) co_return Error{.kind = Kind::missing, .what = "no such pod"};
  (void)log_of(path);
  const std::shared_ptr<Log> log = logs_[path];
  auto stream = std::make_unique<FakeLogStream>(log, options);
  // A kubelet's head comes with the first byte.
  while (options.follow && log->text.empty() && !log->ended && !(options.stop && options.stop->stopped())) co_await log->changed.wait();
  co_return std::unique_ptr<kube::LogStream>(std::move(stream));
}

loop::Async<Result<std::unique_ptr<kube::WatchStream>>> FakeCluster::open_watch(Call call, Duration) {
  calls_.push_back("WATCH " + call.path);
  co_await loop_.yield();
  auto watcher = std::make_shared<Watcher>(loop_);
  watcher->collection = call.path;
  watchers_.push_back(watcher);
  // What has happened since the list.
  const std::string since = call.query.count("resourceVersion") ? call.query.at("resourceVersion") : "0";
  for (const Json* object : in(call.path, {})) {
    const std::string version = (*object)["metadata"].value("resourceVersion", "0");
    if (std::stoi(version) > std::stoi(since)) watcher->events.push_back(Json{{"type", "MODIFIED"}, {"object", *object}});
  }
  std::unique_ptr<kube::WatchStream> stream = std::make_unique<FakeWatchStream>(watcher);
  co_return stream;
}

}  // namespace headrace::launch::testing
