#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>

#include "attempt/session.h"
#include "loop/event.h"
#include "loop/stream_socket.h"
#include "loop/task_group.h"
#include "store/blob_streams.h"
#include "wire/frame.h"
#include "wire/messages.h"

namespace headrace::attempt {

/// One process's stream of requests to its attempt.
class Channel {
 public:
  /// `pid` is the process at the other end, whose memory large artifacts are read from and written to.
  Channel(Session& session, loop::StreamSocket socket, pid_t pid);

  /// Answers requests until the other end closes or `close`.
  [[nodiscard]] loop::Async<void> serve();
  void close() { socket_.close(); }

 private:
  /// More requests of one channel at a time wait in the socket.
  static constexpr std::size_t kInFlightMax = 64;
  /// Manifests in one answer, and bytes of them, if there are several.
  static constexpr std::uint64_t kManifestsMax = 64;
  static constexpr std::size_t kManifestsBytesMax = wire::kFrameJsonBytesMax / 4;
  /// Smaller blobs come in one answer.
  static constexpr std::int64_t kStreamBytesMin = 1 << 20;

  struct Reply {
    codec::Json body;
    std::string payload;
    std::string text;  ///< in the place of `body`, if not empty
  };
  using Answer = loop::Async<Result<Reply>>;

  /// Pickles for `ahead` of the answer to `begin`.
  struct Ahead {
    std::set<BlobKey> keys;
    std::string list;
    std::string payload;

    void add(const BlobKey& key, const std::string& bytes);
  };
  /// What cannot be loaded is left out: the task asks for it, and is told why not.
  [[nodiscard]] loop::Async<Ahead> load_ahead(ManifestPtr manifest);
  /// Small artifacts that another task has asked for: the children of a foreach do alike.
  void add_shared(const store::Manifest& manifest, Ahead& ahead);

  [[nodiscard]] loop::Async<void> answer(wire::Frame frame);
  [[nodiscard]] Answer handle(wire::Frame frame);
  [[nodiscard]] Answer on(wire::BeginRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::ManifestRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::LoadRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::ReadRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::CloseRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::SaveRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::SaveOpenRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::WriteRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::SaveCloseRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::MetadataRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::FinishRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::StartWorkersRequest request, std::string payload);
  [[nodiscard]] Answer on(wire::WaitWorkersRequest request, std::string payload);

  Session& session_;
  loop::StreamSocket socket_;
  pid_t pid_;
  store::BlobStreams streams_;
  std::map<std::uint64_t, store::Artifact> saving_;  ///< streams of `save_open`
  loop::TaskGroup requests_;
  loop::Event answered_;
};

}  // namespace headrace::attempt
