#include "kube/pod_watch.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/random.h"
#include "codec/json_path.h"

namespace headrace::kube {

namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Drops what is large and says nothing of how the pod fares.
void slim(codec::Json& pod) {
  if (auto metadata = pod.find("metadata"); metadata != pod.end() && metadata->is_object()) metadata->erase("managedFields");
  auto spec = pod.find("spec");
  if (spec == pod.end() || !spec->is_object()) return;
  for (const char* key : {"volumes", "tolerations", "affinity", "securityContext"}) spec->erase(key);
  for (const char* list : {"containers", "initContainers"}) {
    auto containers = spec->find(list);
    if (containers == spec->end() || !containers->is_array()) continue;
    for (codec::Json& container : *containers) {
      if (!container.is_object()) continue;
      codec::Json kept = codec::Json::object();
      for (const char* key : {"name", "image", "resources"}) {
        if (auto value = container.find(key); value != container.end()) kept[key] = std::move(*value);
      }
      container = std::move(kept);
    }
  }
}

/// `metadata.KEY` of a pod; empty if it is not there.
std::string metadata_of(const codec::Json& pod, const char* key) { return codec::text_at(pod, {"metadata", key}); }

bool too_old(const Error& error) { return error.kind == Kind::missing || error.why.find("Too large resource version") != std::string::npos; }

}  // namespace

struct PodWatch::State : std::enable_shared_from_this<PodWatch::State> {
  State(loop::EventLoop& l, Client& c, std::string n, std::string s, PodWatchSettings w)
      : loop(l), client(c), ns(std::move(n)), selector(std::move(s)), settings(w), random(w.seed), changed(l), stopping(l) {}

  loop::EventLoop& loop;
  Client& client;
  const std::string ns, selector;
  const PodWatchSettings settings;
  Random random;
  std::unordered_map<std::string, codec::Json, TextHash, std::equal_to<>> pods;
  std::vector<std::string> changed_names;
  std::unordered_set<std::string> changed_set;
  loop::Event changed;
  loop::Event stopping;
  std::optional<Trouble> trouble;
  std::string version;  // Of the last list, event or bookmark; empty: a list is needed.
  std::unique_ptr<WatchStream> stream;
  std::uint64_t generation = 0;  // Of `start`: what an earlier one left running ends by itself.
  bool running = false;
  int failures = 0;
  std::size_t lists_made = 0, watches_opened = 0;

  [[nodiscard]] Call pods_call() const {
    Call call;
    call.path = fmt::format("/api/v1/namespaces/{}/pods", net::escape_query(ns));
    if (!selector.empty()) call.query["labelSelector"] = selector;
    return call;
  }

  void note(const std::string& name) {
    if (changed_set.insert(name).second) changed_names.push_back(name);
    changed.notify();
  }

  void put(codec::Json pod) {
    const std::string name = metadata_of(pod, "name");
    if (name.empty()) return;
    slim(pod);
    pods.insert_or_assign(name, std::move(pod));
    note(name);
  }

  void remove(const std::string& name) {
    if (pods.erase(name) > 0) note(name);
  }

  /// What a new list says, compared with what is known.
  void take_list(Listing listing) {
    std::unordered_set<std::string> listed;
    listed.reserve(listing.items.size());
    for (codec::Json& pod : listing.items) {
      const std::string name = metadata_of(pod, "name");
      if (name.empty()) continue;
      listed.insert(name);
      const auto known = pods.find(name);
      const bool same = known != pods.end() && metadata_of(known->second, "uid") == metadata_of(pod, "uid") &&
                        metadata_of(known->second, "resourceVersion") == metadata_of(pod, "resourceVersion");
      if (!same) put(std::move(pod));
    }
    std::vector<std::string> gone;
    for (const auto& [name, pod] : pods) {
      if (!listed.contains(name)) gone.push_back(name);
    }
    std::sort(gone.begin(), gone.end());
    for (const std::string& name : gone) remove(name);
    version = listing.resource_version;
  }

  loop::Async<Result<void>> list() {
    const auto self = shared_from_this();
    ++lists_made;
    auto listing = co_await client.list(pods_call());
    if (!listing) co_return listing.error();
    take_list(std::move(listing).value());
    co_return Result<void>();
  }

  /// Error: the watch must be begun anew; `version` says whether with a list.
  Result<void> take_event(codec::Json event) {
    const std::string kind = codec::text_at(event, "type");
    auto object = event.find("object");
    if (object == event.end() || !object->is_object() || kind.empty()) {
      return Error{.kind = Kind::retry, .what = fmt::format("the watch of pods in namespace `{}` has told what is no event", ns)};
    }
    if (kind == "ERROR") {
      const auto code = object->find("code");
      Error error{.kind = Kind::retry, .what = fmt::format("the server has ended the watch of pods in namespace `{}`", ns),
                  .why = codec::text_at(*object, "message")};
      if ((code != object->end() && *code == 410) || error.why.empty() || too_old(error)) version.clear();
      return error;
    }
    const std::string at = metadata_of(*object, "resourceVersion");
    if (!at.empty()) version = at;
    if (kind == "ADDED" || kind == "MODIFIED") put(std::move(*object));
    if (kind == "DELETED") remove(metadata_of(*object, "name"));
    return {};
  }

  /// Opens a watch and follows it to its end. An error, or nothing when it ended as watches do.
  loop::Async<Result<void>> watch(std::uint64_t mine) {
    const auto self = shared_from_this();
    Call call = pods_call();
    call.query["resourceVersion"] = version;
    call.query["allowWatchBookmarks"] = "true";
    call.query["timeoutSeconds"] = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(settings.watch_max).count());
    ++watches_opened;
    auto opened = co_await client.open_watch(std::move(call), settings.silence_max);
    if (!opened) {
      if (too_old(opened.error())) version.clear();
      co_return opened.error();
    }
    if (!running || generation != mine) co_return Result<void>();
    stream = std::move(opened).value();
    in_order();
    Result<void> ended;
    while (ended.ok()) {
      WatchStream* const current = stream.get();
      auto event = co_await current->next();
      if (!running || generation != mine) co_return Result<void>();  // `stop` has taken the stream.
      if (!event) {
        ended = event.error();
        break;
      }
      if (!event->has_value()) break;
      ended = take_event(std::move(**event));
      if (ended.ok()) failures = 0;
    }
    stream = nullptr;
    co_return ended;
  }

  void in_order() {
    if (!trouble) return;
    trouble.reset();
    changed.notify();
  }

  void in_trouble(const Error& error) {
    const Instant since = trouble ? trouble->since : loop.now();
    trouble = Trouble{error, since};
    changed.notify();
  }

  Duration backoff() {
    Duration base = settings.backoff_min;
    for (int i = 1; i < failures && base < settings.backoff_max; ++i) base *= 2;
    base = std::min(base, settings.backoff_max);
    return base / 2 + Duration(static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(base.count() / 2 + 1))));
  }

  loop::Async<void> keep_watching(std::uint64_t mine) {
    const auto self = shared_from_this();
    while (running && generation == mine) {
      Result<void> step;
      const Instant began = loop.now();
      if (version.empty()) {
        step = co_await list();
        if (step.ok()) in_order();
      } else {
        step = co_await watch(mine);
      }
      if (!running || generation != mine) co_return;
      const bool lost_its_place = version.empty();
      // A watch that ended early without an event is as good as one that failed: never ask in a circle.
      const bool failed = !step.ok() || (!lost_its_place && loop.now() - began < settings.backoff_min);
      if (!failed) continue;
      ++failures;
      if (!step.ok() && !(lost_its_place && failures == 1)) in_trouble(step.error());
      const Instant until = loop.now() + backoff();
      while (running && generation == mine && loop.now() < until) (void)co_await stopping.wait_until(until);
    }
  }
};

PodWatch::PodWatch(loop::EventLoop& loop, Client& client, std::string ns, std::string selector, PodWatchSettings settings)
    : state_(std::make_shared<State>(loop, client, std::move(ns), std::move(selector), settings)) {}

PodWatch::~PodWatch() { stop(); }

loop::Async<Result<void>> PodWatch::start() {
  const std::shared_ptr<State> state = state_;
  HR_CHECK(!state->running);
  const std::uint64_t mine = ++state->generation;
  auto listed = co_await state->list();
  if (!listed) co_return listed;
  if (state->generation != mine) co_return Error{.kind = Kind::missing, .what = "the watch was stopped"};
  state->running = true;
  state->failures = 0;
  state->loop.spawn(state->keep_watching(mine));
  co_return Result<void>();
}

void PodWatch::stop() {
  state_->running = false;
  ++state_->generation;
  if (state_->stream) state_->stream->close();
  state_->stream = nullptr;
  state_->stopping.notify();
}

const codec::Json* PodWatch::find(std::string_view pod) const {
  const auto found = state_->pods.find(pod);
  return found == state_->pods.end() ? nullptr : &found->second;
}

std::vector<std::string> PodWatch::names() const {
  std::vector<std::string> names;
  names.reserve(state_->pods.size());
  for (const auto& [name, pod] : state_->pods) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::size_t PodWatch::size() const { return state_->pods.size(); }

std::vector<std::string> PodWatch::take_changed() {
  state_->changed_set.clear();
  return std::exchange(state_->changed_names, {});
}

loop::Event& PodWatch::changed() { return state_->changed; }
const std::optional<PodWatch::Trouble>& PodWatch::trouble() const { return state_->trouble; }
std::size_t PodWatch::lists_made() const { return state_->lists_made; }
std::size_t PodWatch::watches_opened() const { return state_->watches_opened; }

}  // namespace headrace::kube
