#include "kube/credentials.h"

#include <fmt/format.h>

#include "codec/base64.h"
#include "kube/kubeconfig.h"

namespace headrace::kube {

namespace {

constexpr Duration kTokenFileAge = 60s;
// A credential is replaced a little early: the clocks of two machines differ.
constexpr std::chrono::seconds kExpiryMargin{10};

Secret bearer(const std::string& token) { return Secret("Bearer " + token); }

}  // namespace

Credentials::Credentials(loop::EventLoop& loop, const Access& access) : loop_(loop), access_(access), lock_(loop) {}

std::shared_ptr<const Identity> Credentials::keep(Identity identity) {
  identity.number = next_number_++;
  identity_ = std::make_shared<const Identity>(std::move(identity));
  return identity_;
}

bool Credentials::fresh() const {
  if (!identity_) return false;
  if (expires_ && loop_.wall_now() + kExpiryMargin >= *expires_) return false;
  return !read_again_ || loop_.now() < *read_again_;
}

loop::Async<Result<std::shared_ptr<const Identity>>> Credentials::current() {
  if (fresh()) co_return identity_;
  if (access_.exec) co_return co_await from_plugin();
  if (!access_.token_file.empty()) co_return from_token_file();
  Identity identity;
  identity.certificate_pem = access_.certificate_pem;
  identity.key_pem = access_.key_pem;
  if (!access_.token.empty()) {
    identity.authorization = bearer(access_.token.reveal());
  } else if (!access_.username.empty()) {
    identity.authorization = Secret("Basic " + codec::to_base64(access_.username + ":" + access_.password.reveal()));
  }
  co_return keep(std::move(identity));
}

Result<std::shared_ptr<const Identity>> Credentials::from_token_file() {
  auto text = read_text(access_.token_file);
  if (!text && identity_) {
    // Token files are replaced while they are used; the old one is good for a while longer.
    read_again_ = loop_.now() + 1s;
    return identity_;
  }
  if (!text) {
    Error error = std::move(text).error().at("the token file");
    error.kind = Kind::misuse;
    error.next = "correct the path in the kubeconfig, or log in to the cluster again";
    return error;
  }
  std::string token = std::move(text).value();
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  if (token.empty()) {
    return Error{.kind = Kind::misuse, .what = fmt::format("the token file {} is empty", access_.token_file),
                 .next = "log in to the cluster again"};
  }
  read_again_ = loop_.now() + kTokenFileAge;
  Identity identity;
  identity.authorization = bearer(token);
  identity.certificate_pem = access_.certificate_pem;
  identity.key_pem = access_.key_pem;
  if (identity_ && identity_->authorization == identity.authorization) return identity_;
  return keep(std::move(identity));
}

loop::Async<Result<std::shared_ptr<const Identity>>> Credentials::from_plugin() {
  const std::uint64_t failures = failures_;
  const loop::AsyncLock::Guard guard = co_await lock_.acquire();
  if (fresh()) co_return identity_;  // Who held the lock before has done it,
  if (failures_ != failures) co_return *failure_;  // or has just found that it cannot be done.
  if (!worker_) worker_ = std::make_unique<loop::WorkerPool>(loop_, 1);
  auto work = [access = access_] { return run_plugin(access); };
  auto credential = co_await worker_->run(work);
  if (!credential) {
    ++failures_;
    failure_ = credential.error();
    // It has worked before, so what it asks may be away for a moment, or somebody logs in again: no reason to end what runs.
    if (next_number_ > 1) failure_->kind = Kind::retry;
    co_return *failure_;
  }
  expires_ = credential->expires;
  Identity identity;
  if (!credential->token.empty()) identity.authorization = bearer(credential->token.reveal());
  const bool brings_certificate = !credential->certificate_pem.empty();
  identity.certificate_pem = brings_certificate ? credential->certificate_pem : access_.certificate_pem;
  identity.key_pem = brings_certificate ? credential->key_pem : access_.key_pem;
  co_return keep(std::move(identity));
}

bool Credentials::reject(std::uint64_t number) {
  if (!identity_ || identity_->number != number) return true;  // Another one is there already.
  if (access_.exec) {
    identity_ = nullptr;
    return true;
  }
  if (access_.token_file.empty()) return false;
  read_again_ = loop_.now();
  auto again = from_token_file();
  return again.ok() && (*again)->number != number;
}

}  // namespace headrace::kube
