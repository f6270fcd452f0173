#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "kube/client.h"
#include "loop/async.h"
#include "loop/event.h"
#include "loop/event_loop.h"

namespace headrace::kube {

struct PodWatchSettings {
  Duration watch_max = 290s;     ///< the server ends the watch after this; it is then resumed
  Duration silence_max = 150s;   ///< servers send a bookmark each minute: a watch silent for longer is taken for dead
  Duration backoff_min = 200ms;  ///< between tries, doubled up to the next, jittered
  Duration backoff_max = 20s;
  std::uint64_t seed = 1;
};

/// The pods of one namespace with one label selector, kept up to date by one list and one watch.
///
/// Trust state, not news: an event means "look again". A lost watch is resumed from the last resourceVersion (bookmarks
/// move it); when that is gone (410), a new list is compared with what is known, so nothing is missed and nothing is told
/// twice. Pods are kept without what is large and not needed to follow them: managedFields, volumes, tolerations, affinity,
/// security contexts, and of containers all but name, image and resources.
/// Must outlive what waits on it; `stop` ends it.
class PodWatch {
 public:
  PodWatch(loop::EventLoop& loop, Client& client, std::string ns, std::string selector, PodWatchSettings settings = {});
  /// As `stop`.
  ~PodWatch();
  PodWatch(const PodWatch&) = delete;
  PodWatch& operator=(const PodWatch&) = delete;

  /// Lists, then watches in the background. Errors as Client::list (forbidden: the missing right); then nothing runs, and
  /// it may be called again.
  [[nodiscard]] loop::Async<Result<void>> start();
  void stop();

  /// The pod as last heard; nullptr when it is unknown or gone. Valid until the loop runs again.
  [[nodiscard]] const codec::Json* find(std::string_view pod) const;
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::size_t size() const;
  /// Pods that were added, changed or removed since the last call, each once; removed ones are not in `find`.
  [[nodiscard]] std::vector<std::string> take_changed();
  /// Notified when `take_changed` has something, and when `trouble` comes or goes.
  [[nodiscard]] loop::Event& changed();
  /// Why the watch is behind now (server not reached, right lost), and since when; nullopt while it is up to date.
  struct Trouble {
    Error error;
    Instant since;
  };
  [[nodiscard]] const std::optional<Trouble>& trouble() const;

  /// What tests and measurements look at.
  [[nodiscard]] std::size_t lists_made() const;
  [[nodiscard]] std::size_t watches_opened() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headrace::kube
