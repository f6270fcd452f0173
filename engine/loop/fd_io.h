#pragma once

#include <optional>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event_loop.h"
#include "loop/unique_fd.h"

namespace headrace::loop {

/// One non-blocking descriptor with readiness from the loop; the system calls are the caller's. Private to this module.
///
/// What waits must hold the object that owns this alive; after `close` every wait ends at once.
class FdIo {
 public:
  FdIo(EventLoop& loop, UniqueFd fd);

  /// False when closed meanwhile.
  [[nodiscard]] Async<bool> readable();
  [[nodiscard]] Async<bool> writable();
  [[nodiscard]] int fd();
  [[nodiscard]] bool closed() const { return !descriptor_.is_open(); }
  void close();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
};

/// The error of a read or write after `close`, and of a read at the end.
Error end_error(std::string what);

}  // namespace headrace::loop
