#pragma once

#include <memory>
#include <vector>

#include "kube/client.h"
#include "kube/credentials.h"
#include "loop/event.h"
#include "net/http_client.h"

namespace headrace::kube {

/// One request with the credentials of now: what calls, logs and watches have in common. Private to this module.
class Connection {
 public:
  Connection(loop::EventLoop& loop, Access access, ClientSettings settings, net::HttpSettings http);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One try, or two: a 401 fetches the credentials anew. Errors say which context of which file was used.
  [[nodiscard]] loop::Async<Result<net::HttpAnswer>> send(Call call, std::optional<Instant> deadline);
  /// As `send`, for answers that are read piece by piece. A refusal (not 2xx) is given as its Error.
  [[nodiscard]] loop::Async<Result<std::unique_ptr<net::HttpStream>>> open(Call call, Duration silence_max,
                                                                            std::shared_ptr<loop::Stop> stop = nullptr);

  void close();
  [[nodiscard]] bool closed() const { return closed_; }
  /// False: closed meanwhile.
  [[nodiscard]] loop::Async<bool> wait_until(Instant instant);

  [[nodiscard]] loop::EventLoop& loop() { return loop_; }
  [[nodiscard]] const Access& access() const { return access_; }
  [[nodiscard]] const ClientSettings& settings() const { return settings_; }
  [[nodiscard]] std::size_t requests_sent() const { return sent_; }

 private:
  struct Ready {
    std::shared_ptr<net::HttpClient> http;
    net::HttpRequest request;
    std::uint64_t identity = 0;
  };
  [[nodiscard]] loop::Async<Result<Ready>> prepare(Call call);
  Result<std::shared_ptr<net::HttpClient>> http_for(const Identity& identity);
  Error located(Error error, const Call& call) const;

  loop::EventLoop& loop_;
  const Access access_;
  const ClientSettings settings_;
  net::HttpSettings http_settings_;
  Credentials credentials_;
  std::shared_ptr<net::HttpClient> http_;
  std::vector<std::shared_ptr<net::HttpClient>> former_;  // With certificates of before, while streams use them.
  loop::Event closing_;
  bool closed_ = false;
  std::size_t sent_ = 0;
};

}  // namespace headrace::kube
