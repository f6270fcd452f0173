#include "codec/sha1.h"

#include <algorithm>

#include <openssl/evp.h>

#include "base/check.h"
#include "codec/hex.h"

namespace headrace::codec {

struct Sha1::Context {
  Context() {
    HR_CHECK(evp != nullptr);
    HR_CHECK(EVP_DigestInit_ex(evp, EVP_sha1(), nullptr) == 1);
  }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* evp = EVP_MD_CTX_new();
};

Sha1::Sha1() : context_(std::make_unique<Context>()) {}
Sha1::~Sha1() = default;
Sha1::Sha1(Sha1&&) noexcept = default;
Sha1& Sha1::operator=(Sha1&&) noexcept = default;

void Sha1::update(std::string_view bytes) { HR_CHECK(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1); }

std::string Sha1::finish_hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HR_CHECK(EVP_DigestFinal_ex(context_->evp, digest, &size) == 1);
  HR_CHECK(size == 20);
  return to_hex({digest, size});
}

std::string sha1_hex(std::string_view bytes) {
  Sha1 sha1;
  sha1.update(bytes);
  return sha1.finish_hex();
}

bool is_sha1_hex(std::string_view text) {
  return text.size() == 40 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace headrace::codec
