#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/store_requests.h"
#include "codec/json.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"
#include "s3/client.h"

namespace headrace::cli {

/// Answers the requests of `metaflow.S3` (docs/formats/wire.md, section 5.1): many objects in one request, moved side by side
/// between S3 and files that the asking process names. Shared by all channels of a store process; belongs to the loop thread.
class S3Transfers {
 public:
  using MakeClient = std::function<Result<std::shared_ptr<s3::Client>>()>;
  using StopClient = std::function<void()>;

  /// The client is made at the first request, and again at the next one if that failed. `stop_client` ends what is on its way when
  /// nobody waits for it any more, by that client and by whatever else uses it. `loop` must outlive it.
  S3Transfers(loop::EventLoop& loop, MakeClient make_client, StopClient stop_client);
  S3Transfers(const S3Transfers&) = delete;
  S3Transfers& operator=(const S3Transfers&) = delete;

  [[nodiscard]] static bool knows(std::string_view op);
  /// Objects that have not begun when `gone` becomes true are left out: nobody waits for the answer.
  using Gone = std::shared_ptr<const std::atomic<bool>>;
  [[nodiscard]] loop::Async<Result<StoreReply>> answer(codec::Json request, std::string payload, Gone gone);

  /// Who may ask, by a channel of its own: when all that came have left, and no more can come, what is on its way is ended too.
  void asker_came() { ++askers_; }
  void asker_left();
  void no_more_come();

 private:
  /// Objects of all requests that are on their way at a time: each waits in a thread of its own.
  static constexpr unsigned kThreads = 64;

  Result<std::shared_ptr<s3::Client>> client();
  void end_if_alone();

  loop::EventLoop& loop_;
  MakeClient make_client_;
  StopClient stop_client_;
  std::shared_ptr<s3::Client> client_;
  std::atomic<int> batches_{0};  ///< requests with objects on their way; the threads of the pool look at it
  std::unique_ptr<loop::WorkerPool> pool_;
  int askers_ = 0;
  bool more_may_come_ = true;
};

}  // namespace headrace::cli
