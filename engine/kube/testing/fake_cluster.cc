#include "kube/testing/fake_cluster.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/check.h"
#include "kube/request.h"
#include "loop/event.h"

namespace headrace::kube::testing {

using codec::Json;
using loop::Async;
using net::testing::HttpServer;
using net::testing::Reply;
using net::testing::Seen;

namespace {

Json status_object(int code, const std::string& reason, const std::string& message) {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"status", "Failure"},
          {"message", message}, {"reason", reason}, {"code", code}};
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The call that a request is, as the client wrote it.
Call to_call(const Seen& seen) {
  Call call;
  call.method = seen.method;
  const std::size_t mark = std::min(seen.target.find('?'), seen.target.size());
  call.path = unescape(seen.target.substr(0, mark));
  std::string_view rest = std::string_view(seen.target).substr(std::min(mark + 1, seen.target.size()));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, std::min(rest.find('&'), rest.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    call.query[unescape(pair.substr(0, equals))] = unescape(pair.substr(std::min(equals + 1, pair.size())));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
  }
  return call;
}

const std::set<std::string>& known_query() {
  static const std::set<std::string> known{"labelSelector", "fieldSelector", "limit", "continue", "watch", "resourceVersion",
      "allowWatchBookmarks", "timeoutSeconds", "follow", "sinceTime", "tailLines", "limitBytes", "timestamps", "container",
      "dryRun", "fieldManager", "propagationPolicy", "gracePeriodSeconds", "resourceVersionMatch", "force", "fieldValidation"};
  return known;
}

}  // namespace

struct FakeCluster::State : std::enable_shared_from_this<FakeCluster::State> {
  explicit State(loop::EventLoop& l) : loop(l), changed(l), logged(l) {}

  loop::EventLoop& loop;
  FakeStore store;
  loop::Event changed;  ///< an object, or what watches shall do
  loop::Event logged;
  std::unique_ptr<HttpServer> server;
  FakeCluster* owner = nullptr;  ///< nullptr once it is gone
  std::string token = "let me in";
  std::map<Key, std::string> logs;
  std::set<Key> terminating;
  std::set<std::pair<std::string, std::string>> forbidden;
  std::vector<std::pair<std::size_t, Fault>> faults;
  std::map<std::string, std::size_t> counts;
  std::size_t requests = 0, malformed = 0, open_watches = 0, open_logs = 0;
  std::uint64_t endings = 0, bookmarks = 0;
  bool kept_deleted = false, vanished = false;

  Async<void> serve(Seen seen, Reply& reply);
  Async<void> answer(Reply& reply, const Call& call, const Target& target, Json body, std::string kind);
  Async<void> watch(Reply& reply, Call call, Key key);
  Async<void> log(Reply& reply, Call call, Key key);
  Async<void> refuse(Reply& reply, int code, std::string reason, std::string message);
  Json list(const Call& call, const Key& key, std::optional<Refused>& refused) const;
  std::optional<Refused> patch(const Key& key, const std::string& kind, const Json& change);
  void remove(const Key& key, bool at_once);
  bool ends(const Key& key) const;
  std::optional<Fault> take_fault(const Target& target);
  void touched() { changed.notify(); }

  [[nodiscard]] bool fits(const Call& call, const Json& object, std::optional<Refused>& refused) const {
    const auto query = [&](const char* key) { const auto found = call.query.find(key); return found == call.query.end() ? "" : found->second; };
    const auto labels = selects(query("labelSelector"), object["metadata"].value("labels", Json::object()));
    const auto fields = selects_fields(query("fieldSelector"), object);
    if (!labels || !fields) refused = Refused{400, "BadRequest", "unable to parse requirement"};
    return labels.value_or(false) && fields.value_or(false);
  }
};

Async<void> FakeCluster::State::refuse(Reply& reply, int code, std::string reason, std::string message) {
  const std::string body = status_object(code, reason, message).dump();
  net::Headers headers{{"Content-Type", "application/json"}};
  co_await reply.answer(code, body, std::move(headers));
}

std::optional<FakeCluster::Fault> FakeCluster::State::take_fault(const Target& target) {
  for (auto at = faults.begin(); at != faults.end(); ++at) {
    const Fault fault = at->second;
    if (!fault.verb.empty() && fault.verb != target.verb) continue;
    if (!fault.resource.empty() && fault.resource != target.resource) continue;
    if (--at->first == 0) faults.erase(at);
    return fault;
  }
  return std::nullopt;
}

Async<void> FakeCluster::State::serve(Seen seen, Reply& reply) {
  const auto self = shared_from_this();
  const Call call = to_call(seen);
  Target target = target_of(call);
  if (!target.group.empty()) target.resource = target.group + "/" + target.resource;
  ++requests;
  ++counts[target.verb + " " + target.resource];
  while (vanished) co_await changed.wait();
  if (seen.header("Authorization") != "Bearer " + token) co_return co_await refuse(reply, 401, "Unauthorized", "Unauthorized");
  for (const auto& [key, value] : call.query) {
    if (!known_query().contains(key)) {
      ++malformed;
      co_return co_await refuse(reply, 400, "BadRequest", "unknown query parameter " + key);
    }
  }
  const auto fault = take_fault(target);
  if (fault && !fault->carried_out && fault->status != 0) {
    const std::string body = status_object(fault->status, fault->reason, fault->message).dump();
    net::Headers headers;
    if (fault->retry_after) headers.emplace_back("Retry-After", std::to_string(*fault->retry_after));
    co_return co_await reply.answer(fault->status, body, std::move(headers));
  }
  if (fault && !fault->carried_out) co_return reply.cut();
  if (forbidden.contains({target.verb, target.resource})) {
    std::string message = fmt::format("{} is forbidden: User \"tester\" cannot {} resource \"{}\" in API group \"{}\" in the namespace \"{}\"",
                                      target.resource, target.verb, target.resource, target.group, target.namespace_);
    co_return co_await refuse(reply, 403, "Forbidden", std::move(message));
  }
  Json body;
  if (!seen.body.empty()) {
    auto parsed = codec::parse_json(seen.body, "a request");
    if (!parsed) {
      ++malformed;
      co_return co_await refuse(reply, 400, "BadRequest", "the object provided is unrecognized");
    }
    body = std::move(parsed).value();
  }
  if (fault) {  // Carried out, but nobody hears of it.
    struct Deaf final : Reply {
      Async<void> answer(int, std::string, net::Headers) override { co_return; }
      Async<void> begin(int, net::Headers) override { co_return; }
      Async<bool> chunk(std::string) override { co_return false; }
      Async<void> end() override { co_return; }
      Async<void> raw(std::string) override { co_return; }
      void cut() override {}
      Async<void> client_gone() override { co_return; }
    } deaf;
    co_await answer(deaf, call, target, std::move(body), seen.header("Content-Type"));
    co_return reply.cut();
  }
  co_await answer(reply, call, target, std::move(body), seen.header("Content-Type"));
}

Async<void> FakeCluster::State::answer(Reply& reply, const Call& call, const Target& target, Json body, std::string kind) {
  const net::Headers as_json{{"Content-Type", "application/json"}};
  if (call.path == "/version") co_return co_await reply.answer(200, R"({"major":"1","minor":"34","gitVersion":"v1.34.0"})", as_json);
  if (target.resource.empty()) co_return co_await refuse(reply, 404, "NotFound", "the server could not find the requested resource");
  Key key{target.resource, target.namespace_, target.name};
  if (target.resource == "pods/log") {
    key.resource = "pods";
    co_return co_await log(reply, call, key);
  }
  if (target.resource == "authorization.k8s.io/selfsubjectaccessreviews") {
    const Json& wanted = body["spec"]["resourceAttributes"];
    std::string resource = wanted.value("group", "");
    resource += (resource.empty() ? "" : "/") + wanted.value("resource", "");
    if (const std::string sub = wanted.value("subresource", ""); !sub.empty()) resource += "/" + sub;
    body["status"] = {{"allowed", !forbidden.contains({wanted.value("verb", ""), resource})}};
    co_return co_await reply.answer(201, body.dump(), as_json);
  }
  if (target.verb == "watch") co_return co_await watch(reply, call, key);
  std::optional<Refused> refused;
  Json result;
  int status = 200;
  const bool dry = call.query.contains("dryRun");
  if (target.verb == "create") {
    if (key.name.empty() && body.is_object() && body.contains("metadata")) key.name = body["metadata"].value("name", "");
    FakeStore trial = dry ? store : FakeStore();
    if (target.resource == "pods") body["status"] = {{"phase", "Pending"}};
    refused = (dry ? trial : store).create(key, body);
    if (!refused) result = *(dry ? trial : store).find(key);
    status = 201;
    if (!refused && !dry && key.resource == "pods") {
      loop.post([self = shared_from_this(), key] {
        if (self->owner != nullptr && self->owner->on_pod && self->store.find(key) != nullptr) self->owner->on_pod(key.ns, key.name);
      });
    }
  } else if (target.verb == "list") {
    result = list(call, key, refused);
  } else if (target.verb == "deletecollection") {
    for (const Key& one : store.keys(key.resource, key.ns)) {
      if (fits(call, *store.find(one), refused)) remove(one, false);
    }
    result = status_object(200, "", "");
    result["status"] = "Success";
  } else if (store.find(key) == nullptr) {
    refused = Refused{404, "NotFound", fmt::format("{} \"{}\" not found", key.resource, key.name)};
  } else if (target.verb == "get") {
    result = *store.find(key);
  } else if (target.verb == "delete") {
    const auto grace = call.query.find("gracePeriodSeconds");
    remove(key, (grace != call.query.end() && grace->second == "0") || (body.is_object() && body.value("gracePeriodSeconds", 1) == 0));
    result = store.find(key) == nullptr ? status_object(200, "", "") : *store.find(key);
  } else if (target.verb == "update" || target.verb == "patch") {
    refused = target.verb == "update" ? store.update(key, body) : patch(key, kind, body);
    if (!refused) result = *store.find(key);
  } else {
    refused = Refused{405, "MethodNotAllowed", target.verb};
  }
  touched();
  if (refused) co_return co_await refuse(reply, refused->code, refused->reason, refused->message);
  co_await reply.answer(status, result.dump(), as_json);
}

Json FakeCluster::State::list(const Call& call, const Key& key, std::optional<Refused>& refused) const {
  const auto query = [&](const char* name) { const auto found = call.query.find(name); return found == call.query.end() ? "" : found->second; };
  const std::size_t limit = query("limit").empty() ? std::string::npos : std::stoul(query("limit"));
  // A token names the last object given and the version of the first page.
  std::string from = query("continue");
  std::uint64_t version = store.version();
  std::string after;
  if (!from.empty()) {
    const std::size_t bar = from.find('|');
    version = std::stoull(from.substr(0, bar));
    after = from.substr(bar + 1);
    if (!store.since(version)) refused = Refused{410, "Expired", "The provided continue parameter is too old"};
  }
  Json items = Json::array();
  std::string next;
  for (const Key& one : store.keys(key.resource, key.ns)) {
    if (one.name <= after || !fits(call, *store.find(one), refused)) continue;
    if (items.size() == limit) {
      next = fmt::format("{}|{}", version, items.back()["metadata"]["name"].get<std::string>());
      break;
    }
    items.push_back(*store.find(one));
  }
  Json metadata{{"resourceVersion", std::to_string(version)}};
  if (!next.empty()) metadata["continue"] = next;
  return {{"kind", "List"}, {"apiVersion", "v1"}, {"metadata", std::move(metadata)}, {"items", std::move(items)}};
}

std::optional<Refused> FakeCluster::State::patch(const Key& key, const std::string& kind, const Json& change) {
  Json object = *store.find(key);
  if (kind == kMergePatch || kind == kStrategicPatch) {
    object.merge_patch(change);
  } else if (kind == kJsonPatch) {
    try {
      object.patch_inplace(change);
    } catch (const std::exception& e) {
      return Refused{422, "Invalid", e.what()};
    }
  } else {
    return Refused{415, "UnsupportedMediaType", fmt::format("the body of the request was in an unknown format - {}", kind)};
  }
  const bool compares = change.is_object() && change.contains("metadata") && change["metadata"].contains("resourceVersion");
  if (!compares) object["metadata"].erase("resourceVersion");
  return store.update(key, std::move(object));
}

bool FakeCluster::State::ends(const Key& key) const {
  const Json* pod = store.find(key);
  return pod != nullptr && key.resource == "pods" && (*pod)["status"].value("phase", "") == "Running";
}

void FakeCluster::State::remove(const Key& key, bool at_once) {
  if (!ends(key) || at_once) {
    store.remove(key);
    touched();
    logged.notify();
    return;
  }
  Json pod = *store.find(key);
  if (!pod["metadata"].contains("deletionTimestamp")) {
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    pod["metadata"].erase("resourceVersion");
    (void)store.update(key, std::move(pod));
    touched();
  }
  terminating.insert(key);
  if (kept_deleted) return;
  loop.post([self = shared_from_this(), key] {
    if (self->kept_deleted || !self->terminating.erase(key)) return;
    self->store.remove(key);
    self->touched();
    self->logged.notify();
  });
}

Async<void> FakeCluster::State::watch(Reply& reply, Call call, Key key) {
  std::uint64_t at = call.query.contains("resourceVersion") ? std::stoull(call.query["resourceVersion"]) : store.version();
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& c) : count(c) { ++count; }
    ~Counted() { --count; }
  } const counted(open_watches);
  const std::uint64_t ending = endings;
  std::uint64_t marked = bookmarks;
  co_await reply.begin(200);
  while (ending == endings) {
    const std::uint64_t seen = store.version();
    const auto changes = store.since(at);
    std::string text;
    if (!changes) {
      text = Json{{"type", "ERROR"}, {"object", status_object(410, "Expired", fmt::format("too old resource version: {} ({})", at, store.version()))}}.dump() + "\n";
      (void)co_await reply.chunk(std::move(text));
      break;
    }
    std::optional<Refused> refused;
    for (const FakeStore::Change& change : *changes) {
      at = change.version;
      if (change.key.resource != key.resource || (!key.ns.empty() && change.key.ns != key.ns) || !fits(call, change.object, refused)) continue;
      text += Json{{"type", change.type}, {"object", change.object}}.dump() + "\n";
    }
    if (marked != bookmarks && call.query.contains("allowWatchBookmarks")) {
      at = store.version();
      text += Json{{"type", "BOOKMARK"}, {"object", {{"kind", "Pod"}, {"apiVersion", "v1"}, {"metadata", {{"resourceVersion", std::to_string(at)}}}}}}.dump() + "\n";
    }
    marked = bookmarks;
    const bool there = co_await reply.chunk(std::move(text));
    if (!there) co_return;
    // What happened while that was sent is looked at without waiting.
    while (vanished || (store.version() == seen && bookmarks == marked && endings == ending)) co_await changed.wait();
  }
  co_await reply.end();
}

Async<void> FakeCluster::State::log(Reply& reply, Call call, Key key) {
  const Json* pod = store.find(key);
  if (pod == nullptr) co_return co_await refuse(reply, 404, "NotFound", fmt::format("pods \"{}\" not found", key.name));
  const std::string phase = (*pod)["status"].value("phase", "Pending");
  if (phase == "Pending") {
    co_return co_await refuse(reply, 400, "BadRequest", fmt::format("container \"a\" in pod \"{}\" is waiting to start: ContainerCreating", key.name));
  }
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& c) : count(c) { ++count; }
    ~Counted() { --count; }
  } const counted(open_logs);
  const bool follow = call.query["follow"] == "true";
  std::size_t at = 0;
  co_await reply.begin(200);
  for (;;) {
    const std::string& text = logs[key];
    std::string piece = text.substr(std::min(at, text.size()));
    at = text.size();
    const bool there = co_await reply.chunk(std::move(piece));
    if (!there) co_return;
    if (!follow || (!ends(key) && at == logs[key].size())) break;
    while (vanished || (ends(key) && at == logs[key].size())) co_await logged.wait();
  }
  co_await reply.end();
}

FakeCluster::FakeCluster(loop::EventLoop& loop) : state_(std::make_shared<State>(loop)) {
  state_->owner = this;
  const std::weak_ptr<State> state = state_;
  state_->server = std::make_unique<HttpServer>(loop, [state](Seen seen, Reply& reply) -> Async<void> {
    if (const auto held = state.lock()) co_await held->serve(std::move(seen), reply);
  });
  add_namespace("ml");
}

FakeCluster::~FakeCluster() {
  state_->owner = nullptr;
  state_->server->stop();
}

Access FakeCluster::access() const {
  Access access;
  access.server = state_->server->url();
  access.token = Secret(state_->token);
  access.namespace_ = "ml";
  access.context = "fake";
  access.source = "the test";
  return access;
}

const Json* FakeCluster::find(const std::string& resource, const std::string& ns, const std::string& name) const {
  return state_->store.find({resource, ns, name});
}

std::vector<std::string> FakeCluster::names(const std::string& resource, const std::string& ns) const {
  std::vector<std::string> names;
  for (const Key& key : state_->store.keys(resource, ns)) names.push_back(key.name);
  return names;
}

void FakeCluster::put(const std::string& resource, const std::string& ns, Json object) {
  const Key key{resource, ns, object["metadata"].value("name", "")};
  object["metadata"].erase("resourceVersion");
  const auto refused = state_->store.find(key) == nullptr ? state_->store.create(key, std::move(object)) : state_->store.update(key, std::move(object));
  HR_CHECK(!refused);
  state_->touched();
}

void FakeCluster::remove(const std::string& resource, const std::string& ns, const std::string& name) {
  state_->remove({resource, ns, name}, true);
}

void FakeCluster::add_namespace(const std::string& name, std::map<std::string, std::string> labels) {
  put("namespaces", "", {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}, {"labels", labels}}}});
}

void FakeCluster::add_node(const std::string& name, const std::string& cpu, const std::string& memory) {
  const Json amounts{{"cpu", cpu}, {"memory", memory}, {"ephemeral-storage", "100G"}, {"pods", "110"}};
  put("nodes", "", {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", name}, {"labels", Json::object()}}}, {"spec", Json::object()},
                    {"status", {{"allocatable", amounts}, {"capacity", amounts}, {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}}});
}

void FakeCluster::fail_next(std::size_t count, Fault fault) { state_->faults.emplace_back(count, std::move(fault)); }
void FakeCluster::forbid(const std::string& verb, const std::string& resource) { state_->forbidden.insert({verb, resource}); }
void FakeCluster::allow_all() { state_->forbidden.clear(); }
void FakeCluster::forget_history() {
  state_->store.forget_history();
  state_->touched();
}
void FakeCluster::end_watches() {
  ++state_->endings;
  state_->touched();
}
void FakeCluster::bookmark() {
  ++state_->bookmarks;
  state_->touched();
}
void FakeCluster::cut_connections() { state_->server->cut_all(); }
void FakeCluster::vanish(bool on) {
  state_->vanished = on;
  if (!on) {
    state_->touched();
    state_->logged.notify();
  }
}
void FakeCluster::set_token(const std::string& token) { state_->token = token; }

std::size_t FakeCluster::count(const std::string& verb_and_resource) const {
  const auto found = state_->counts.find(verb_and_resource);
  return found == state_->counts.end() ? 0 : found->second;
}
std::size_t FakeCluster::requests() const { return state_->requests; }
std::size_t FakeCluster::malformed() const { return state_->malformed + state_->server->malformed(); }
std::size_t FakeCluster::open_watches() const { return state_->open_watches; }
std::size_t FakeCluster::open_logs() const { return state_->open_logs; }

void FakeCluster::keep_deleted(bool on) {
  state_->kept_deleted = on;
  if (on) return;
  for (const Key& key : std::exchange(state_->terminating, {})) state_->store.remove(key);
  state_->touched();
  state_->logged.notify();
}

void FakeCluster::set_status(const std::string& ns, const std::string& pod, const Json& merge) {
  const Key key{"pods", ns, pod};
  const Json* found = state_->store.find(key);
  HR_CHECK(found != nullptr);
  Json object = *found;
  object["status"].merge_patch(merge);
  object["metadata"].erase("resourceVersion");
  HR_CHECK(!state_->store.update(key, std::move(object)));
  state_->touched();
  state_->logged.notify();
}

void FakeCluster::log(const std::string& ns, const std::string& pod, const std::string& text) {
  state_->logs[{"pods", ns, pod}] += text;
  state_->logged.notify();
}

}  // namespace headrace::kube::testing
