#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include "base/result.h"
#include "net/http_client.h"

namespace headrace::net {

/// The authorities, certificate and key of TlsSettings, read once and used by all connections. Private to this module.
class TlsContext {
 public:
  /// Error (misuse): PEM text that cannot be read, a key that does not belong to the certificate, no system authorities.
  static Result<std::shared_ptr<TlsContext>> make(const TlsSettings& settings);

  [[nodiscard]] boost::asio::ssl::context& native() { return context_; }
  [[nodiscard]] const TlsSettings& settings() const { return settings_; }
  /// Where the trusted authorities came from: `the given CA` or a file.
  [[nodiscard]] const std::string& authorities() const { return authorities_; }

 private:
  explicit TlsContext(TlsSettings settings);
  Result<void> trust();
  Result<void> present();

  TlsSettings settings_;
  boost::asio::ssl::context context_;
  std::string authorities_;
};

/// What was found wrong with the server's certificate during a handshake. Must outlive it.
struct PeerFault {
  int code = 0;  ///< X509_V_...; 0: nothing
  std::string subject, issuer;
  std::vector<std::string> names;
  WallTime not_before{}, not_after{};
};

/// Sets the name to send and to check, and where to note what is wrong.
void prepare_handshake(SSL* ssl, const TlsContext& context, const std::string& host, PeerFault& fault);

/// Why a handshake with `url` failed: `code` of Asio, or the fault of the server's certificate.
Error handshake_error(const Url& url, const TlsContext& context, const PeerFault& fault, boost::system::error_code code);
/// The error of a broken TLS connection, if `code` is an alert that refuses our certificate; else nullopt.
std::optional<Error> alert_error(const Url& url, boost::system::error_code code);

}  // namespace headrace::net
