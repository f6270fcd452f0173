#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <unordered_set>

#include "base/result.h"
#include "loop/async.h"
#include "loop/event.h"
#include "loop/event_loop.h"
#include "loop/timer.h"
#include "net/connect.h"
#include "net/http_client.h"

namespace headrace::net {

/// The connections to one server: kept ones, those in use, and who waits for one. Private to this module.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(loop::EventLoop& loop, HttpSettings settings, Route route);

  /// A right to one connection, given back when it is destroyed.
  class Place {
   public:
    Place(std::shared_ptr<Pool> pool, bool streams) : pool_(std::move(pool)), streams_(streams) {}
    Place(Place&&) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    std::shared_ptr<Pool> pool_;
    bool streams_;
  };
  /// In the order of asking; `streams` have places of their own and do not wait.
  [[nodiscard]] loop::Async<Result<Place>> place(bool streams, std::optional<Instant> deadline);

  /// The kept connection used last that is still quiet; nullptr if none.
  [[nodiscard]] std::shared_ptr<ByteStream> take_kept();
  void drop_kept();
  void keep(std::shared_ptr<ByteStream> stream);
  [[nodiscard]] loop::Async<Result<std::shared_ptr<ByteStream>>> connect_new(std::shared_ptr<Closer> closer, Instant deadline);

  /// `close` closes these too.
  void add(std::shared_ptr<Closer> closer) { live_.insert(std::move(closer)); }
  void remove(const std::shared_ptr<Closer>& closer) { live_.erase(closer); }
  void close();
  [[nodiscard]] bool closed() const { return closed_; }

  [[nodiscard]] loop::EventLoop& loop() { return loop_; }
  [[nodiscard]] const HttpSettings& settings() const { return settings_; }
  [[nodiscard]] std::size_t connections_made() const { return made_; }
  [[nodiscard]] std::size_t connections_open() const { return kept_.size() + live_.size(); }

 private:
  struct Kept {
    std::shared_ptr<ByteStream> stream;
    Instant since;
  };
  struct Waiter {
    explicit Waiter(loop::EventLoop& loop) : turn(loop) {}
    loop::Event turn;
    bool granted = false;
  };
  void give_back(bool streams);
  void drop_old();

  loop::EventLoop& loop_;
  HttpSettings settings_;
  Route route_;
  std::deque<Kept> kept_;  // The one used last stands last.
  std::list<std::shared_ptr<Waiter>> waiting_;
  std::unordered_set<std::shared_ptr<Closer>> live_;
  loop::Timer sweep_;
  int sending_ = 0, streaming_ = 0;
  std::size_t made_ = 0;
  bool closed_ = false;
};

}  // namespace headrace::net
