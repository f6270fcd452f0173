#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "attempt/assignment.h"
#include "attempt/blob_cache.h"
#include "attempt/manifest_cache.h"
#include "base/result.h"
#include "loop/async.h"
#include "loop/async_lock.h"
#include "loop/datagram_socket.h"
#include "loop/event_loop.h"
#include "loop/task_group.h"
#include "loop/worker_pool.h"
#include "store/blob_store.h"
#include "store/run_records.h"
#include "wire/messages.h"

namespace headrace::attempt {

/// Starts the other nodes of a @parallel step for its control task.
class Workers {
 public:
  virtual ~Workers() = default;
  /// Starts `count` more tasks of the step; their paths, node 1 first.
  virtual loop::Async<Result<std::vector<TaskPath>>> start(std::int64_t count) = 0;
  /// Waits until all have ended; those that failed.
  virtual loop::Async<std::vector<TaskPath>> wait() = 0;
};

/// What sessions of one run share. All must outlive them.
struct Services {
  loop::EventLoop& loop;
  loop::WorkerPool& pool;
  store::RunRecords& records;
  store::BlobStore& blobs;
  ManifestCache& manifests;
  BlobCache& small_blobs;
  const RunFacts& facts;
  store::BlobStore* origin_blobs = nullptr;  ///< where blobs are looked for that `blobs` lacks (spin: the datastore of the inputs)
};

/// Serves the channels of one attempt (docs/formats/wire.md, section 4): what it is, its inputs, its artifacts, its commit.
///
/// Requests of one channel run side by side; their answers come as they are ready. An error goes to the asking process as an
/// answer; it never ends the run.
class Session {
 public:
  /// A save larger than this comes as a stream (`save_open`).
  static constexpr std::uint64_t kPayloadBytesMax = 64 << 20;
  static constexpr std::size_t kChannelsMax = 4096;

  /// `workers` may be null: then `start_workers` is refused. It must outlive the session.
  Session(Services services, Assignment assignment, Workers* workers);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Serves until `stop`, or until the door has no other end and no channel is open.
  [[nodiscard]] loop::Async<void> serve(loop::DatagramSocket door);
  /// Closes the door and every channel; `serve` returns soon after.
  void stop();

  /// Stores that the attempt has begun, if that has not happened: for a process that died before it could say so.
  [[nodiscard]] loop::Async<Result<void>> ensure_begun();
  [[nodiscard]] const Assignment& assignment() const { return assignment_; }
  /// Present once the attempt has committed.
  [[nodiscard]] const std::optional<Committed>& committed() const { return committed_; }
  /// The first failure of the datastore that this attempt met: a full disk, a damaged blob.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  friend class Channel;

  [[nodiscard]] loop::Async<void> serve_channel(loop::UniqueFd fd, pid_t pid);
  /// The manifest of input `index`, or of `_parameters`.
  [[nodiscard]] loop::Async<Result<ManifestPtr>> input_manifest(std::optional<std::uint64_t> index);
  [[nodiscard]] loop::Async<Result<void>> commit(wire::FinishRequest request, std::string payload);
  /// `error`, remembered if it is the datastore's.
  Error noted(Error error);

  Services services_;
  Assignment assignment_;
  Workers* workers_;
  loop::TaskGroup channels_;
  loop::AsyncLock begin_lock_;
  bool begun_ = false;
  std::vector<store::Artifact> saved_;
  bool finishing_ = false;
  std::optional<Committed> committed_;
  std::optional<Error> trouble_;
  bool stopped_ = false;
  std::unique_ptr<loop::DatagramSocket> door_;
  std::set<class Channel*> open_;
};

}  // namespace headrace::attempt
