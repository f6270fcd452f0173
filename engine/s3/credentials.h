#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <aws/auth/credentials.h>

#include "base/result.h"
#include "s3/crt.h"
#include "s3/runtime.h"
#include "s3/settings.h"

namespace headrace::s3 {

using Provider = Held<aws_credentials_provider, aws_credentials_provider_release>;

/// Finds what requests are signed with, where AWS's own tools look, in this order: environment, profile (keys, roles, process),
/// SSO of the profile, web identity, container, instance metadata. The first that gives credentials is kept, and asked again
/// before they expire. Any thread.
class Credentials {
 public:
  /// `runtime` must outlive the credentials.
  Credentials(const Runtime& runtime, const Settings& settings) : runtime_(runtime), anonymous_(settings.anonymous) {}

  /// The source to sign with. Looks for one the first time, which may ask the network. Error `denied` lists each place that was
  /// tried with what was found there. Never anonymous unless the settings say so.
  Result<Provider> source();
  /// The credentials given were refused as expired: look anew.
  void forget();
  /// Where the credentials in use come from, e.g. `the environment`; empty before.
  [[nodiscard]] std::string origin() const;

 private:
  const Runtime& runtime_;
  const bool anonymous_;
  mutable std::mutex mutex_;
  Provider found_;
  std::string origin_;
};

/// The region in the profile in use (`~/.aws/config`); empty if none.
[[nodiscard]] std::string region_of_profile();

}  // namespace headrace::s3
