#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace headrace::net::testing {

/// A certificate with its key, both as PEM.
struct Certificate {
  std::string pem;
  std::string key;
};

struct CertificateSpec {
  std::string common_name = "test";
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::chrono::seconds starts{-3600}, ends{3600};  ///< from now
};

/// An authority that signs itself.
Certificate make_authority(const std::string& name = "test authority");
/// Signed by `authority`.
Certificate make_certificate(const Certificate& authority, const CertificateSpec& spec);

}  // namespace headrace::net::testing
