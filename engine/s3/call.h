#pragma once

#include <memory>

#include "base/time.h"
#include "s3/request.h"
#include "s3/stop_group.h"

namespace headrace::s3 {

/// One request, sent once on a kept connection; its answer goes into memory or a file.
///
/// Not by the CRT's S3 client, which makes many requests of a large transfer: for small objects its scheduler costs more than all
/// else, and of large ones it says neither which part is in trouble nor how long it will try.
class Call final : public Underway {
 public:
  /// `request` and its body must live until the call is gone.
  explicit Call(const Request& request);
  /// Ends what still runs.
  ~Call() override;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void start(const Destination& destination);
  /// Until the end, or until nothing has happened for `patience`: that ends it. A checksum that does not fit is
  /// AWS_ERROR_S3_RESPONSE_CHECKSUM_MISMATCH. To be called once.
  [[nodiscard]] Answer wait(Duration patience);
  /// It ends soon, or does not begin; any thread.
  void stop() override;

 private:
  struct State;
  const Request& request_;
  /// Shared with the CRT, which may still be looking for a connection when nobody waits for it any more.
  std::shared_ptr<State> state_;
};

}  // namespace headrace::s3
