#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "net/http_client.h"

namespace headrace::kube {

/// The variables of a process, as a value: what finds the cluster, and what exec plugins inherit.
struct Environment {
  std::map<std::string, std::string> variables;

  static Environment of_process();
  /// Empty when unset.
  [[nodiscard]] std::string get(const std::string& name) const;
};

/// A program that prints credentials (`client.authentication.k8s.io/v1` or `v1beta1`).
struct ExecPlugin {
  std::string api_version;
  std::string command;  ///< a path, absolute if the kubeconfig gave a relative one with a slash; else looked for in PATH
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  bool provide_cluster_info = false;
  std::string install_hint;
};

/// Where the API server is, and who we are to it.
struct Access {
  std::string server;       ///< `https://host:port[/prefix]`
  std::string tls_server_name;
  std::string ca_pem;       ///< empty: the system's authorities
  bool skip_verify = false;
  std::string proxy;        ///< as net::HttpSettings
  std::string certificate_pem;
  Secret key_pem;
  Secret token;
  std::string token_file;   ///< read again each minute; wins over `token`
  std::string username;     ///< basic authentication
  Secret password;
  std::optional<ExecPlugin> exec;
  std::string impersonate;  ///< user; empty: none
  std::string impersonate_uid;
  std::vector<std::string> impersonate_groups;
  std::map<std::string, std::vector<std::string>> impersonate_extra;

  std::string namespace_;   ///< of the context or the service account; `default` if neither names one
  std::string context;      ///< its name; empty in a cluster
  std::string source;       ///< the file (or files) it came from, or "the service account of this pod"; for messages
  Environment environment;  ///< for exec plugins

  /// `context dev of /home/me/.kube/config`, or the source alone.
  [[nodiscard]] std::string described() const;
};

/// Which cluster this process uses: the file or files (separated by `:`) in $KUBECONFIG; else, where
/// $KUBERNETES_SERVICE_HOST is set and the account is mounted, the pod's service account; else ~/.kube/config.
///
/// `context` chooses one; empty: the file's `current-context`. Reads files only: nothing is connected to and no plugin is
/// started. Errors (misuse, or missing when there is no configuration at all) name the file, the context and what to change.
Result<Access> find_access(const Environment& environment, std::string context = "");

/// One kubeconfig as text; relative paths in it start at `folder`, `file` is for messages.
Result<Access> parse_kubeconfig(std::string_view text, const std::string& file, const std::string& folder,
                                const Environment& environment, const std::string& context);

}  // namespace headrace::kube
