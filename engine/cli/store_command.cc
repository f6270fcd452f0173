#include "cli/store_command.h"

#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "cli/command.h"
#include "cli/store_channel.h"
#include "loop/datagram_socket.h"
#include "store/open_backend.h"

namespace headrace::cli {
namespace {

/// Files are small or in the page cache; two threads keep one Python process and its children busy.
constexpr unsigned kPoolThreads = 2;
/// Each is a process, or a thread's own channel.
constexpr std::size_t kChannelsMax = 4096;

/// The process that made the socket, as the kernel knows it; -1 if it does not: then nothing goes into its memory.
pid_t maker_of(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : -1;
}

loop::Async<void> serve_channel(loop::EventLoop& loop, loop::WorkerPool& pool, S3Transfers& transfers,
                               store::RunCopies& copies, loop::UniqueFd fd) {
  const pid_t pid = maker_of(fd.get());
  StoreChannel channel{loop, pool, transfers, copies, loop::StreamSocket{loop, std::move(fd)}, pid};
  co_await channel.serve();
}

loop::Async<void> serve_door(loop::EventLoop& loop, loop::WorkerPool& pool, S3Transfers& transfers,
                            store::RunCopies& copies, loop::DatagramSocket door) {
  loop::TaskGroup channels{loop};
  for (;;) {
    auto datagram = co_await door.receive();
    if (!datagram) {
      if (datagram.error().kind == Kind::missing) break;
      continue;  // a message that is too large; the door is still good
    }
    // A connect without its socket, or one too many, is dropped: the asking end sees its channel close.
    if (datagram->fds.size() != 1 || channels.size() >= kChannelsMax) continue;
    channels.spawn(serve_channel(loop, pool, transfers, copies, std::move(datagram->fds[0])));
  }
  transfers.no_more_come();
  co_await channels.wait();
}

int usage() {
  std::fputs("usage: headrace store --door-fd N\n\nStarted by the SDK, which holds the other end of the door.\n", stderr);
  return 2;
}

}  // namespace

int store_command(std::span<const std::string> arguments) {
  const auto parsed = arguments.size() == 2 && arguments[0] == "--door-fd" ? parse_descriptor(arguments[1]) : std::nullopt;
  if (!parsed) return usage();
  const int door_fd = *parsed;
  int type = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(door_fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET) {
    std::fprintf(stderr, "headrace store: descriptor %d is not a door (a SOCK_SEQPACKET socket)\n", door_fd);
    return usage();
  }
  ::signal(SIGPIPE, SIG_IGN);
  loop::EventLoop loop;
  loop::WorkerPool pool{loop, kPoolThreads};
  S3Transfers transfers{loop, store::shared_s3_client, store::stop_shared_s3_client};
  store::RunCopies copies;
  loop.block_on(serve_door(loop, pool, transfers, copies, loop::DatagramSocket{loop, loop::UniqueFd{door_fd}}));
  return 0;
}

}  // namespace headrace::cli
