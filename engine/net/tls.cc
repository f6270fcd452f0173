#include "net/tls.h"

#include <cstdlib>
#include <ctime>
#include <fstream>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace headrace::net {

namespace asio = boost::asio;

namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> memory(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// The oldest reason on this thread's queue, in OpenSSL's words; empties the queue.
std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "OpenSSL gives no reason" : reason;
}

std::string one_line(const X509_NAME* name) {
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

WallTime wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

std::string day(WallTime time) {
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return std::string(text, size);
}

/// The names and addresses a certificate is for.
std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  Owned<GENERAL_NAMES> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) {
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      const unsigned char* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      const int size = ASN1_STRING_length(name->d.iPAddress);
      if (size == 4) {
        names.push_back(asio::ip::address_v4({bytes[0], bytes[1], bytes[2], bytes[3]}).to_string());
      } else if (size == 16) {
        asio::ip::address_v6::bytes_type v6;
        std::copy(bytes, bytes + 16, v6.begin());
        names.push_back(asio::ip::address_v6(v6).to_string());
      }
    }
  }
  return names;
}

/// The place in an SSL where its PeerFault is kept.
int fault_place() {
  static const int place = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return place;
}

int note_fault(int fine, X509_STORE_CTX* store) {
  if (fine == 1) return 1;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* fault = ssl == nullptr ? nullptr : static_cast<PeerFault*>(SSL_get_ex_data(ssl, fault_place()));
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (fault == nullptr) return 0;
  fault->code = X509_STORE_CTX_get_error(store);
  if (certificate == nullptr) return 0;
  fault->subject = one_line(X509_get_subject_name(certificate));
  fault->issuer = one_line(X509_get_issuer_name(certificate));
  fault->names = names_of(certificate);
  fault->not_before = wall_time(X509_get0_notBefore(certificate));
  fault->not_after = wall_time(X509_get0_notAfter(certificate));
  return 0;
}

SSL_CTX* new_context() {
  // Without openssl.cnf: it could load modules into a static program, and this program's rules do not depend on a machine's.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  HR_CHECK(context != nullptr);
  return context;
}

int no_password(char*, int, int, void*) { return 0; }

/// Adds each certificate of a PEM text; returns how many, or an error.
Result<int> add_authorities(X509_STORE* store, std::string_view pem) {
  const Owned<BIO> in = memory(pem);
  int count = 0;
  for (;;) {
    const Owned<X509> certificate(PEM_read_bio_X509_AUX(in.get(), nullptr, no_password, nullptr));
    if (!certificate) break;
    X509_STORE_add_cert(store, certificate.get());
    ++count;
  }
  const unsigned long code = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (count == 0 || (code != 0 && !at_end)) {
    return Error{.kind = Kind::misuse, .what = "the CA certificates cannot be read", .why = openssl_reason(),
                 .next = "give certificates in PEM form: -----BEGIN CERTIFICATE-----"};
  }
  ERR_clear_error();
  return count;
}

/// The authorities of the machine: the first of these files that is there. One file, as the usual bundles are.
Result<std::string> system_authorities() {
  std::vector<std::string> files;
  if (const char* named = std::getenv("SSL_CERT_FILE"); named != nullptr && *named != 0) {
    files = {named};
  } else {
    files = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
             "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"};
  }
  for (const std::string& file : files) {
    if (std::ifstream(file).good()) return file;
  }
  return Error{.kind = Kind::misuse, .what = "there are no CA certificates to check the server's certificate with",
               .why = fmt::format("no CA was given, and there is no {}{}", files.front(), files.size() > 1 ? " or the like" : ""),
               .next = "give the cluster's CA (`certificate-authority-data`), or set SSL_CERT_FILE to a file of CA certificates"};
}

}  // namespace

TlsContext::TlsContext(TlsSettings settings) : settings_(std::move(settings)), context_(new_context()) {}

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsSettings& settings) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> made(new TlsContext(settings));
  SSL_CTX* native = made->context_.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_default_passwd_cb(native, no_password);
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(native, kProtocols, sizeof kProtocols - 1);
  if (settings.skip_verify) {
    SSL_CTX_set_verify(native, SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, note_fault);
    HR_TRY(made->trust());
  }
  if (!settings.certificate_pem.empty() || !settings.key_pem.empty()) HR_TRY(made->present());
  return made;
}

Result<void> TlsContext::trust() {
  X509_STORE* store = SSL_CTX_get_cert_store(context_.native_handle());
  // An authority that was given is trusted, also when another one signed it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (!settings_.ca_pem.empty()) {
    authorities_ = "the given CA";
    HR_TRY(add_authorities(store, settings_.ca_pem));
    return {};
  }
  authorities_ = HR_TRY(system_authorities());
  std::ifstream file(authorities_, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto added = add_authorities(store, text);
  if (!added) return std::move(added).error().at(authorities_);
  return {};
}

Result<void> TlsContext::present() {
  SSL_CTX* native = context_.native_handle();
  const auto refused = [](std::string_view what, std::string_view next) {
    return Error{.kind = Kind::misuse, .what = std::string(what), .why = openssl_reason(), .next = std::string(next)};
  };
  const Owned<BIO> in = memory(settings_.certificate_pem);
  const Owned<X509> certificate(PEM_read_bio_X509_AUX(in.get(), nullptr, no_password, nullptr));
  if (!certificate || SSL_CTX_use_certificate(native, certificate.get()) != 1) {
    return refused("the client certificate cannot be read", "give a certificate in PEM form: -----BEGIN CERTIFICATE-----");
  }
  for (;;) {  // The rest of its chain.
    X509* link = PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr);
    if (link == nullptr) break;
    if (SSL_CTX_add0_chain_cert(native, link) != 1) X509_free(link);
  }
  ERR_clear_error();
  const Owned<BIO> key_in = memory(settings_.key_pem.reveal());
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, no_password, nullptr));
  if (!key) {
    return refused("the client key cannot be read",
                   "give a key in PEM form without a password: -----BEGIN PRIVATE KEY----- (`openssl pkey` removes one)");
  }
  if (SSL_CTX_use_PrivateKey(native, key.get()) != 1 || SSL_CTX_check_private_key(native) != 1) {
    return refused("the client key does not belong to the client certificate", "give the two that were made together");
  }
  return {};
}

void prepare_handshake(SSL* ssl, const TlsContext& context, const std::string& host, PeerFault& fault) {
  SSL_set_ex_data(ssl, fault_place(), &fault);
  const std::string& name = context.settings().server_name.empty() ? host : context.settings().server_name;
  boost::system::error_code code;
  const asio::ip::address address = asio::ip::make_address(name, code);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  if (!code) {
    X509_VERIFY_PARAM_set1_ip_asc(rules, address.to_string().c_str());
    return;
  }
  SSL_set_tlsext_host_name(ssl, name.c_str());
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size());
}

Error handshake_error(const Url& url, const TlsContext& context, const PeerFault& fault, boost::system::error_code code) {
  const std::string& name = context.settings().server_name.empty() ? url.host : context.settings().server_name;
  Error error{.kind = Kind::misuse, .what = fmt::format("the server at {} cannot be trusted", url.authority())};
  std::string names;
  for (const std::string& one : fault.names) names += (names.empty() ? "" : ", ") + one;
  switch (fault.code) {
    case X509_V_OK: {
      if (auto alert = alert_error(url, code)) return *alert;
      error.kind = Kind::retry;
      error.what = fmt::format("no TLS connection to {}", url.authority());
      error.why = code.message();
      if (code.category() == asio::error::get_ssl_category()) {
        if (ERR_GET_REASON(static_cast<unsigned long>(code.value())) == SSL_R_WRONG_VERSION_NUMBER) {
          error.kind = Kind::misuse;
          error.why = "what answers there does not speak TLS";
          error.next = "check the port, and whether the address should start with http://";
        } else if (ERR_GET_REASON(static_cast<unsigned long>(code.value())) == SSL_R_UNSUPPORTED_PROTOCOL) {
          error.kind = Kind::misuse;
          error.why = "it speaks no TLS of version 1.2 or newer";
        }
      }
      return error;
    }
    case X509_V_ERR_CERT_HAS_EXPIRED:
      error.why = fmt::format("the certificate `{}` expired at {}", fault.subject, day(fault.not_after));
      error.next = "renew the server's certificate; if it is new, check this machine's clock";
      return error;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      error.why = fmt::format("the certificate `{}` is not valid before {}", fault.subject, day(fault.not_before));
      error.next = "check this machine's clock";
      return error;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      error.why = fmt::format("its certificate is for {}, not for {}", names.empty() ? "no name" : names, name);
      error.next = "use one of these names as the server's address, or set `tls-server-name` to one of them";
      return error;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      error.why = fmt::format("its certificate `{}` was signed by `{}`, which {} does not hold", fault.subject, fault.issuer,
                              context.authorities());
      error.next = "give the CA that signed it: `certificate-authority` or `certificate-authority-data` of the cluster";
      return error;
    default:
      error.why = fmt::format("certificate `{}`: {}", fault.subject, X509_verify_cert_error_string(fault.code));
      error.next = "whoever runs that server can tell";
      return error;
  }
}

std::optional<Error> alert_error(const Url& url, boost::system::error_code code) {
  if (code.category() != asio::error::get_ssl_category()) return std::nullopt;
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(code.value()));
  const int alert = reason - SSL_AD_REASON_OFFSET;
  const bool about_us = (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
                        alert == SSL_AD_ACCESS_DENIED || alert == SSL_AD_CERTIFICATE_REQUIRED;
  if (!about_us) return std::nullopt;
  return Error{.kind = Kind::denied, .what = fmt::format("the server at {} refuses our certificate", url.authority()),
               .why = code.message(), .next = "renew the client certificate and key, or log in to the cluster again"};
}

Result<CertificateFacts> read_certificate(std::string_view pem) {
  ERR_clear_error();
  const Owned<BIO> in = memory(pem);
  const Owned<X509> certificate(PEM_read_bio_X509_AUX(in.get(), nullptr, no_password, nullptr));
  if (!certificate) {
    return Error{.kind = Kind::misuse, .what = "a certificate cannot be read", .why = openssl_reason(),
                 .next = "give it in PEM form: -----BEGIN CERTIFICATE-----"};
  }
  CertificateFacts facts;
  facts.subject = one_line(X509_get_subject_name(certificate.get()));
  facts.not_before = wall_time(X509_get0_notBefore(certificate.get()));
  facts.not_after = wall_time(X509_get0_notAfter(certificate.get()));
  return facts;
}

}  // namespace headrace::net
