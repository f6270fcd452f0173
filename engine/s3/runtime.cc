#include "s3/runtime.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <thread>

#include <aws/auth/auth.h>
#include <aws/io/channel.h>
#include <aws/s3/s3.h>
#include <fmt/format.h>
#include <openssl/x509.h>

#include "s3/ca_roots.h"

// s2n reads the system's authorities into every configuration that it makes, before it is told which to trust: two to three times
// 10 ms in each process. Linked in the place of libcrypto's (cmake/aws_crt.cmake): `trust` says what is read.
extern "C" int __wrap_X509_STORE_set_default_paths(X509_STORE*) { return 1; }  // NOLINT: the linker's name

namespace headrace::s3 {
namespace {

/// Moving bytes keeps a thread busy at about 2 GB/s; more of them than this only cost memory.
constexpr unsigned kThreadsMax = 16;
/// Of a socket at a time. The library's own 16 KiB are 64 calls a MiB, each of which acknowledges what it took.
constexpr std::size_t kReadBytes = 128 << 10;

bool is_readable(const char* path) { return path != nullptr && ::access(path, R_OK) == 0; }

/// Where systems keep the authorities that they trust.
bool system_has_authorities() {
  constexpr const char* kFiles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                    "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"};
  return std::any_of(std::begin(kFiles), std::end(kFiles), is_readable);
}

/// Returns CRT's success or not. No file named: the system's if it has any, else those built in.
bool trust(aws_tls_ctx_options& options, const std::string& ca_file) {
  if (!ca_file.empty()) {
    return aws_tls_ctx_options_override_default_trust_store_from_path(&options, nullptr, ca_file.c_str()) == AWS_OP_SUCCESS;
  }
  const char* named = std::getenv("SSL_CERT_FILE");
  if (is_readable(named)) return aws_tls_ctx_options_override_default_trust_store_from_path(&options, nullptr, named) == AWS_OP_SUCCESS;
  if (system_has_authorities()) return true;
  const aws_byte_cursor roots = cursor(built_in_ca_roots());
  return aws_tls_ctx_options_override_default_trust_store(&options, &roots) == AWS_OP_SUCCESS;
}

Result<Held<aws_tls_ctx, aws_tls_ctx_release>> make_tls(const std::string& ca_file, bool verify) {
  aws_tls_ctx_options options{};
  aws_tls_ctx_options_init_default_client(&options, aws_default_allocator());
  const auto broken = [&](std::string_view why) {
    return Error{.kind = Kind::misuse,
                 .what = ca_file.empty() ? std::string{"TLS to S3 cannot be set up"}
                                                  : fmt::format("the CA file `{}` cannot be used for S3", ca_file),
                 .why = std::string{why},
                 .next = "give a PEM file with the certificates of the authorities, by METAFLOW_S3_VERIFY_CERTIFICATE or AWS_CA_BUNDLE"};
  };
  if (!verify) aws_tls_ctx_options_set_verify_peer(&options, false);
  if (!ca_file.empty() && !is_readable(ca_file.c_str())) {
    aws_tls_ctx_options_clean_up(&options);
    return broken("it does not exist or cannot be read");
  }
  if (!trust(options, ca_file)) {
    aws_tls_ctx_options_clean_up(&options);
    return broken(aws_error_str(aws_last_error()));
  }
  Held<aws_tls_ctx, aws_tls_ctx_release> tls{aws_tls_client_ctx_new(aws_default_allocator(), &options)};
  aws_tls_ctx_options_clean_up(&options);
  if (!tls) return broken(aws_error_str(aws_last_error()));
  return tls;
}

}  // namespace

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    g_aws_channel_max_fragment_size = kReadBytes;
    aws_s3_library_init(aws_default_allocator());
  });
}

Result<std::unique_ptr<Runtime>> Runtime::make(const Settings& settings) {
  start_library();
  std::unique_ptr<Runtime> runtime{new Runtime{settings.ca_file, settings.verify}};
  aws_shutdown_callback_options ended{};
  ended.shutdown_callback_fn = Ending::happen;
  ended.shutdown_callback_user_data = &runtime->threads_ended_;
  aws_event_loop_group_options threads{};
  threads.loop_count = static_cast<std::uint16_t>(std::clamp(std::thread::hardware_concurrency(), 1U, kThreadsMax));
  threads.shutdown_options = &ended;
  runtime->threads_.reset(aws_event_loop_group_new(aws_default_allocator(), &threads));
  if (!runtime->threads_) {
    runtime->threads_ended_.happened();
    return Error{.kind = Kind::failed, .what = "the threads of the S3 client cannot be started", .why = aws_error_str(aws_last_error())};
  }
  aws_host_resolver_default_options names{};
  names.max_entries = 64;
  names.el_group = runtime->threads_.get();
  runtime->resolver_.reset(aws_host_resolver_new_default(aws_default_allocator(), &names));
  aws_client_bootstrap_options options{};
  options.event_loop_group = runtime->threads_.get();
  options.host_resolver = runtime->resolver_.get();
  runtime->bootstrap_.reset(aws_client_bootstrap_new(aws_default_allocator(), &options));
  if (!runtime->resolver_ || !runtime->bootstrap_) {
    return Error{.kind = Kind::failed, .what = "the S3 client cannot be set up", .why = aws_error_str(aws_last_error())};
  }
  if (!settings.ca_file.empty()) HR_TRY(runtime->tls());
  return runtime;
}

Result<aws_tls_ctx*> Runtime::tls() const {
  const std::lock_guard lock{tls_mutex_};
  if (!tls_) tls_ = HR_TRY(make_tls(ca_file_, verify_));
  return tls_.get();
}

Runtime::~Runtime() {
  tls_.reset();
  bootstrap_.reset();
  resolver_.reset();
  threads_.reset();
  threads_ended_.wait();
}

}  // namespace headrace::s3
