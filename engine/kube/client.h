#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "kube/access.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/stop.h"

namespace headrace::kube {

/// One request to the API server.
struct Call {
  std::string method = "GET";
  std::string path;                          ///< `/api/v1/namespaces/NS/pods[/NAME]`
  std::map<std::string, std::string> query;  ///< unescaped
  codec::Json body;                          ///< null: none
  std::string content_type = "application/json";  ///< of a PATCH: kMergePatch, kJsonPatch, ...
  Duration deadline{0};                      ///< for this call with its repeats; zero: ClientSettings::budget
};
inline constexpr const char* kMergePatch = "application/merge-patch+json";
inline constexpr const char* kJsonPatch = "application/json-patch+json";
inline constexpr const char* kStrategicPatch = "application/strategic-merge-patch+json";

/// What the server answered, of any status. A body that is not JSON is kept as a string.
struct Answer {
  int status = 0;
  codec::Json body;

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
  /// `reason` and `message` of a Status object (`NotFound`, `AlreadyExists`, `Forbidden`, `Invalid`, ...); the message falls back to the body's start.
  [[nodiscard]] std::string reason() const;
  [[nodiscard]] std::string message() const;
};

/// The refusal as an Error: verb, resource, name and namespace, the server's words, and what to do (403: the right that
/// is missing, by verb, resource and API group; 401: which credentials; 422: what is invalid; ...). Kinds: 404 missing,
/// 401 and 403 denied, 400 and 422 misuse, 429 and 5xx retry, others failed. `answer` must not be ok.
Error refusal(const Call& call, const Answer& answer, const Access& access);

struct ClientSettings {
  Duration budget = 10min;      ///< how long one call is repeated
  Duration silence_max = 60s;   ///< of one answer
  Duration backoff_min = 250ms; ///< between repeats, doubled up to the next, jittered
  Duration backoff_max = 15s;
  std::string user_agent = "headrace";
  std::uint64_t seed = 1;       ///< of the jitter between repeats
  int connections_max = 16;
  int streams_max = 600;        ///< watches and log streams
  std::int64_t page_items = 500;
  /// A call that is being repeated, about each 15 s of waiting: why, and for how long already. So no wait is silent.
  std::function<void(const Error& why, Duration waited)> on_waiting;
};

struct Listing {
  std::vector<codec::Json> items;
  std::string resource_version;
};

struct LogOptions {
  bool follow = true;
  std::optional<WallTime> since;       ///< the server rounds down to seconds: lines may come again
  std::optional<std::int64_t> tail_lines;
  std::optional<std::int64_t> limit_bytes;
  bool timestamps = false;
  std::string container;               ///< empty: the only one
  Duration silence_max{0};             ///< longest time without a byte; zero: no bound (a dead connection is found by TCP)
  std::shared_ptr<loop::Stop> stop;    ///< ends it with `missing`, also while nothing of the log has come; may be null
};

/// The bytes of a container's log as they come.
class LogStream {
 public:
  virtual ~LogStream() = default;
  /// The next piece, not cut at lines; empty at the end. `retry`: the connection was lost, follow again from the last time.
  [[nodiscard]] virtual loop::Async<Result<std::string>> read() = 0;
};

/// An open watch: events as they come. Used by PodWatch.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  /// The next event `{"type", "object"}`; nullopt at the stream's end.
  [[nodiscard]] virtual loop::Async<Result<std::optional<codec::Json>>> next() = 0;
  virtual void close() = 0;
};

/// Calls to one API server.
///
/// What the server throttles (429), fails at (5xx) or loses (connections) is repeated after Retry-After or a growing,
/// jittered wait, until the call's deadline. That includes POST, PUT, PATCH and DELETE, whose first try may have been
/// done: name objects, and look whose it is on 409. A 401 fetches the credentials anew, once a call.
/// Credentials: token files and exec plugins are read again when they may have changed; a plugin runs on a thread of the
/// client's own, its answer is used until it expires; when it fails after it has worked, calls are repeated.
class Client {
 public:
  /// `loop` must outlive the client. Error (misuse): certificates or addresses in `access` that cannot be used.
  static Result<std::unique_ptr<Client>> make(loop::EventLoop& loop, Access access, ClientSettings settings = {});
  virtual ~Client() = default;

  /// Error only when no answer came until the deadline, or none can (untrusted server, plugin failed): what, which
  /// address, which context of which file. After the deadline an answer of 429 or 5xx is given as it is.
  [[nodiscard]] virtual loop::Async<Result<Answer>> call(Call call) = 0;
  /// The body of an answer that is ok; else its `refusal`.
  [[nodiscard]] virtual loop::Async<Result<codec::Json>> call_ok(Call call) = 0;
  /// All items of a collection, page by page; starts anew if the list expires meanwhile (410).
  [[nodiscard]] virtual loop::Async<Result<Listing>> list(Call call) = 0;
  /// Errors as `refusal`; `retry` while the container has not started.
  [[nodiscard]] virtual loop::Async<Result<std::unique_ptr<LogStream>>> follow_log(std::string ns, std::string pod,
                                                                                   LogOptions options) = 0;
  /// A GET with `watch=true`. One try: the caller repeats. Error as `refusal`, also for 410 (kind missing).
  [[nodiscard]] virtual loop::Async<Result<std::unique_ptr<WatchStream>>> open_watch(Call call, Duration silence_max) = 0;

  /// Ends all that waits, with `missing`. Nothing may be asked afterwards.
  virtual void close() = 0;
  [[nodiscard]] virtual const Access& access() const = 0;
  [[nodiscard]] virtual const ClientSettings& settings() const = 0;
  /// Requests sent so far, repeats and streams too.
  [[nodiscard]] virtual std::size_t requests_sent() const = 0;
};

}  // namespace headrace::kube
