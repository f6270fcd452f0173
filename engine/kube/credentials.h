#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/access.h"
#include "kube/exec_plugin.h"
#include "loop/async.h"
#include "loop/async_lock.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"

namespace headrace::kube {

/// What a request proves itself with now.
struct Identity {
  Secret authorization;  ///< value of the header; empty: none
  std::string certificate_pem;
  Secret key_pem;
  std::uint64_t number = 0;  ///< another one for other contents
};

/// The credentials of an Access as they are now: token files are read again each minute, plugins run again when their
/// answer has expired; one that fails after it has worked is a `retry`. Private to this module. Must outlive what waits in it.
class Credentials {
 public:
  Credentials(loop::EventLoop& loop, const Access& access);

  [[nodiscard]] loop::Async<Result<std::shared_ptr<const Identity>>> current();
  /// The server said 401 to this one. True if a repeat may be given another one.
  bool reject(std::uint64_t number);

 private:
  Result<std::shared_ptr<const Identity>> from_token_file();
  [[nodiscard]] loop::Async<Result<std::shared_ptr<const Identity>>> from_plugin();
  std::shared_ptr<const Identity> keep(Identity identity);
  [[nodiscard]] bool fresh() const;

  loop::EventLoop& loop_;
  const Access& access_;
  loop::AsyncLock lock_;
  std::unique_ptr<loop::WorkerPool> worker_;  // Made with the first run of a plugin.
  std::shared_ptr<const Identity> identity_;  // nullptr: must be made anew.
  std::optional<WallTime> expires_;
  std::optional<Instant> read_again_;
  std::uint64_t next_number_ = 1;
  std::uint64_t failures_ = 0;  // Of the plugin, and the last one.
  std::optional<Error> failure_;
};

}  // namespace headrace::kube
