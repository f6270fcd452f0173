#pragma once

#include <csignal>
#include <initializer_list>
#include <memory>

#include "loop/async.h"
#include "loop/event_loop.h"

namespace headrace::loop {

/// Takes signals of this process as events of the loop, and unblocks them. While it lives, their default action is off; afterwards it is
/// back. One at a time per signal in a process.
class Signals {
 public:
  Signals(EventLoop& loop, std::initializer_list<int> numbers);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// The number of the next signal, one for each delivery; 0 after `close`. Different signals that came while
  /// nobody waited may be given in another order.
  [[nodiscard]] Async<int> next();
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Gives every signal its default action and unblocks all, whatever Python left in the process that becomes the engine.
/// Two exceptions: SIGPIPE is ignored (a broken pipe is an error value), and those `held` stay blocked until a `Signals` takes
/// them, which must then come: for a command that would be ended without a word in between. Call before threads start.
void reset_signals(std::initializer_list<int> held = {});

/// What asks a process to end.
inline constexpr std::initializer_list<int> kEndings = {SIGINT, SIGTERM, SIGHUP};

}  // namespace headrace::loop
