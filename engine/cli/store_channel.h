#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>

#include "cli/s3_transfers.h"
#include "cli/store_requests.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/stream_socket.h"
#include "loop/task_group.h"
#include "loop/worker_pool.h"
#include "store/blob_streams.h"
#include "wire/frame.h"

namespace headrace::cli {

/// One process's stream of requests to the store. Requests run side by side on the pool; answers come as they are ready.
class StoreChannel {
 public:
  /// `pid` is the process at the other end, into whose memory large artifacts are written. All others must outlive it.
  StoreChannel(loop::EventLoop& loop, loop::WorkerPool& pool, S3Transfers& transfers, store::RunCopies& copies,
               loop::StreamSocket socket, pid_t pid);

  /// Answers requests until the other end closes.
  [[nodiscard]] loop::Async<void> serve();

 private:
  /// More requests at a time wait in the socket.
  static constexpr std::size_t kInFlightMax = 16;
  /// Of a card; pictures make them large.
  static constexpr std::uint64_t kPayloadBytesMax = std::uint64_t{1} << 30;

  [[nodiscard]] loop::Async<void> answer(wire::Frame frame);
  [[nodiscard]] loop::Async<Result<StoreReply>> handle(wire::Frame frame);
  [[nodiscard]] loop::Async<Result<StoreReply>> read(codec::Json request);

  loop::EventLoop& loop_;
  loop::WorkerPool& pool_;
  S3Transfers& transfers_;
  store::RunCopies& copies_;
  loop::StreamSocket socket_;
  pid_t pid_;
  store::BlobStreams streams_;
  loop::TaskGroup requests_;
  loop::Event answered_;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);  ///< the other end
};

}  // namespace headrace::cli
