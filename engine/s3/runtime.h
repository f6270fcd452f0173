#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <aws/io/channel_bootstrap.h>
#include <aws/io/event_loop.h>
#include <aws/io/host_resolver.h>
#include <aws/io/tls_channel_handler.h>

#include "base/result.h"
#include "s3/crt.h"
#include "s3/settings.h"

namespace headrace::s3 {

/// Something that ends later, on a thread of the CRT.
class Ending {
 public:
  void happened() {
    const std::lock_guard lock{mutex_};
    done_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return done_; });
  }
  /// For the CRT's C callbacks.
  static void happen(void* self) { static_cast<Ending*>(self)->happened(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

/// The CRT's threads, name resolver and TLS context of one client. Whatever was made with them must be gone before.
class Runtime {
 public:
  /// Error `misuse` when the settings name a CA file that cannot be used.
  static Result<std::unique_ptr<Runtime>> make(const Settings& settings);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] aws_client_bootstrap* bootstrap() const { return bootstrap_.get(); }
  /// Made when it is first asked for: reading all authorities takes some 15 ms, which a service without TLS need not cost.
  /// Any thread. Error `misuse` when they cannot be used.
  Result<aws_tls_ctx*> tls() const;

 private:
  Runtime(std::string ca_file, bool verify) : ca_file_(std::move(ca_file)), verify_(verify) {}

  Ending threads_ended_;
  Held<aws_event_loop_group, aws_event_loop_group_release> threads_;
  Held<aws_host_resolver, aws_host_resolver_release> resolver_;
  Held<aws_client_bootstrap, aws_client_bootstrap_release> bootstrap_;
  const std::string ca_file_;
  const bool verify_;
  mutable std::mutex tls_mutex_;
  mutable Held<aws_tls_ctx, aws_tls_ctx_release> tls_;
};

}  // namespace headrace::s3
