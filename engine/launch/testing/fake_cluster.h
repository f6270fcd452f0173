#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/json.h"
#include "kube/client.h"
#include "loop/event.h"
#include "loop/event_loop.h"

namespace headrace::launch::testing {

/// A cluster in memory, behind the interface of the Kubernetes client: keeps objects, tells watches, collects dependents of
/// deleted owners. Pods do nothing by themselves: tests say what happens to them.
///
/// Stricter than the real one: a pod whose owner does not exist is refused.
class FakeCluster final : public kube::Client {
 public:
  explicit FakeCluster(loop::EventLoop& loop);
  ~FakeCluster() override;

  // What happens on the cluster.
  void add_namespace(const std::string& name, codec::Json labels = codec::Json::object());
  void add_node(const std::string& name, const std::string& cpu, const std::string& memory);
  void add_event(const std::string& ns, const std::string& pod, const std::string& reason, const std::string& message);
  /// Replaces the status of a pod and tells the watches.
  void set_status(const std::string& ns, const std::string& pod, codec::Json status);
  /// As set_status, of a running container.
  void start(const std::string& ns, const std::string& pod);
  /// The container has ended with that code, reason and termination message; its log ends.
  void finish(const std::string& ns, const std::string& pod, int code, const std::string& reason, const std::string& message);
  void mark_deleting(const std::string& ns, const std::string& pod);
  void remove(const std::string& path);
  void write_log(const std::string& ns, const std::string& pod, const std::string& text);
  /// Ends the open streams of that pod's log as a lost connection does.
  void break_logs(const std::string& ns, const std::string& pod);
  /// The log of a pod that goes away does not end, as when its node has died.
  bool logs_hang = false;
  /// A deleted pod goes away only by `remove`.
  bool keep_deleted = false;
  /// Awaited before a call is answered.
  std::function<loop::Async<void>(const kube::Call&)> before_answer;
  /// Answers instead of the cluster where it gives something.
  std::function<std::optional<kube::Answer>(const kube::Call&)> intercept;

  // What can be looked at.
  [[nodiscard]] const codec::Json* find(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> names(const std::string& collection) const;
  /// `POST /api/...`, in order, with `?dryRun` where it was one.
  [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }
  [[nodiscard]] std::size_t count(const std::string& start_of_call) const;
  [[nodiscard]] std::size_t log_streams() const;
  /// Notified at each call.
  [[nodiscard]] loop::Event& called() { return called_; }

  [[nodiscard]] loop::Async<Result<kube::Answer>> call(kube::Call call) override;
  [[nodiscard]] loop::Async<Result<codec::Json>> call_ok(kube::Call call) override;
  [[nodiscard]] loop::Async<Result<kube::Listing>> list(kube::Call call) override;
  [[nodiscard]] loop::Async<Result<std::unique_ptr<kube::LogStream>>> follow_log(std::string ns, std::string pod,
                                                                                 kube::LogOptions options) override;
  [[nodiscard]] loop::Async<Result<std::unique_ptr<kube::WatchStream>>> open_watch(kube::Call call, Duration silence_max) override;
  void close() override {}
  [[nodiscard]] const kube::Access& access() const override { return access_; }
  [[nodiscard]] const kube::ClientSettings& settings() const override { return settings_; }
  [[nodiscard]] std::size_t requests_sent() const override { return calls_.size(); }

 private:
  struct Watcher;
  struct Log;
  class FakeLogStream;
  class FakeWatchStream;

  kube::Answer answer(const kube::Call& call);
  kube::Answer post(const kube::Call& call);
  kube::Answer remove_one(const std::string& path, const codec::Json& options);
  kube::Answer remove_many(const kube::Call& call);
  void change_pod(const std::string& path, const std::function<void(codec::Json&)>& change);
  void tell(const std::string& type, const std::string& path, const codec::Json& object);
  std::vector<const codec::Json*> in(const std::string& collection, const std::map<std::string, std::string>& query) const;
  Log& log_of(const std::string& path);

  loop::EventLoop& loop_;
  loop::Event called_;
  kube::Access access_;
  kube::ClientSettings settings_;
  std::map<std::string, codec::Json> objects_;
  std::map<std::string, std::shared_ptr<Log>> logs_;
  std::list<std::shared_ptr<Watcher>> watchers_;
  std::vector<std::string> calls_;
  int version_ = 0;
};

}  // namespace headrace::launch::testing
