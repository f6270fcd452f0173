#include "net/testing/certificates.h"

#include <memory>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace headrace::net::testing {

namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  HR_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate make(const CertificateSpec& spec, const Certificate* authority) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  HR_CHECK(key && certificate);
  X509_set_version(certificate.get(), 2);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()),
                          *reinterpret_cast<std::uint64_t*>(serial) >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), spec.starts.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), spec.ends.count());
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);

  Owned<X509> issuer;
  Owned<EVP_PKEY> issuer_key;
  if (authority != nullptr) {
    const Owned<BIO> in(BIO_new_mem_buf(authority->pem.data(), static_cast<int>(authority->pem.size())));
    const Owned<BIO> key_in(BIO_new_mem_buf(authority->key.data(), static_cast<int>(authority->key.size())));
    issuer.reset(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    issuer_key.reset(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
    HR_CHECK(issuer && issuer_key);
  }
  X509* signer = issuer ? issuer.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (authority == nullptr) {
    extend(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  std::string names;
  for (const std::string& dns : spec.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
  for (const std::string& address : spec.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
  if (!names.empty()) extend(certificate.get(), signer, NID_subject_alt_name, names);
  HR_CHECK(X509_sign(certificate.get(), issuer_key ? issuer_key.get() : key.get(), EVP_sha256()) > 0);

  const Owned<BIO> out(BIO_new(BIO_s_mem())), key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(out.get()), text_of(key_out.get())};
}

}  // namespace

Certificate make_authority(const std::string& name) {
  CertificateSpec spec;
  spec.common_name = name;
  return make(spec, nullptr);
}

Certificate make_certificate(const Certificate& authority, const CertificateSpec& spec) { return make(spec, &authority); }

}  // namespace headrace::net::testing
