#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/access.h"

namespace headrace::kube {

/// Longest kubeconfig, certificate or token file.
inline constexpr std::size_t kFileBytesMax = 4 * 1024 * 1024;

/// A file's bytes. Errors as system_error (missing, denied), or misuse when it is too long.
Result<std::string> read_text(const std::string& path);

/// What a kubeconfig says, paths made absolute, nothing looked up yet. Private to this module.
struct Kubeconfig {
  struct Cluster {
    std::string server, tls_server_name, ca_file, ca_data, proxy_url;
    bool skip_verify = false;
  };
  struct User {
    std::string certificate_file, certificate_data, key_file;
    Secret key_data, token, password;
    std::string token_file, username;
    std::string impersonate, impersonate_uid;
    std::vector<std::string> impersonate_groups;
    std::map<std::string, std::vector<std::string>> impersonate_extra;
    std::optional<ExecPlugin> exec;
    std::string auth_provider;  ///< name of what Kubernetes no longer has
    bool always_interactive = false;
  };
  struct Context {
    std::string cluster, user, namespace_;
  };
  std::string current_context;
  std::map<std::string, Cluster> clusters;
  std::map<std::string, User> users;
  std::map<std::string, Context> contexts;
};

/// Errors (misuse): not YAML, or not of the shape of a kubeconfig; they say the file and the place.
Result<Kubeconfig> read_kubeconfig(std::string_view text, const std::string& file, const std::string& folder);

/// Adds what `into` does not have yet: the first file that says something wins.
void merge(Kubeconfig& into, Kubeconfig from);

/// One context (empty: the current one) with its files read and its data decoded.
Result<Access> choose(const Kubeconfig& config, const std::string& context, const std::string& source,
                      const Environment& environment);

/// The proxy for the API server from HTTPS_PROXY, NO_PROXY and the like.
std::string proxy_from(const net::Url& server, const Environment& environment);

/// The account that a cluster mounts into its pods at `folder`; the address comes from $KUBERNETES_SERVICE_HOST and _PORT.
Result<Access> in_cluster(const Environment& environment, const std::string& folder);

}  // namespace headrace::kube
