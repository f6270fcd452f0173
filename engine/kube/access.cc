#include "kube/access.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "kube/kubeconfig.h"

namespace headrace::kube {

namespace fs = std::filesystem;

namespace {

constexpr const char* kAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

std::vector<std::string> split_files(const std::string& list) {
  std::vector<std::string> files;
  std::size_t at = 0;
  while (at <= list.size()) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    if (end > at) files.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return files;
}

Result<Access> from_files(const std::vector<std::string>& files, const std::string& named_by, const Environment& environment,
                          const std::string& context) {
  Kubeconfig all;
  std::string sources;
  int found = 0;
  for (const std::string& file : files) {
    auto text = read_text(file);
    if (!text) {
      if (text.error().kind == Kind::missing && files.size() > 1) continue;  // As kubectl: a list may name files that are not there.
      Error error = std::move(text).error().at(named_by);
      if (error.kind == Kind::missing) {
        error.what = "there is no kubeconfig, so no Kubernetes cluster is known";
        error.why = fmt::format("there is no file {}", file);
        error.next = "set KUBECONFIG to the file that says how to reach the cluster, or copy it to ~/.kube/config";
      }
      return error;
    }
    ++found;
    sources += (sources.empty() ? "" : ":") + file;
    const std::string folder = fs::absolute(file).parent_path().string();
    auto one = read_kubeconfig(*text, file, folder);
    if (!one) return one.error();
    merge(all, std::move(one).value());
  }
  if (found == 0) {
    return Error{.kind = Kind::missing, .what = "there is no kubeconfig, so no Kubernetes cluster is known", .where = named_by,
                 .why = "none of the files exists", .next = "set KUBECONFIG to the file that says how to reach the cluster"};
  }
  return choose(all, context, sources, environment);
}

}  // namespace

Environment Environment::of_process() {
  Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    environment.variables.emplace(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
  }
  return environment;
}

std::string Environment::get(const std::string& name) const {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

std::string Access::described() const { return context.empty() ? source : fmt::format("context `{}` of {}", context, source); }

Result<std::string> read_text(const std::string& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return system_error(EISDIR, fmt::format("cannot read {}", path));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return system_error(errno == 0 ? EIO : errno, fmt::format("cannot read {}", path));
  std::string text;
  char bytes[16 * 1024];
  while (file.read(bytes, sizeof bytes) || file.gcount() > 0) {
    text.append(bytes, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kFileBytesMax) {
      return Error{.kind = Kind::misuse, .what = fmt::format("{} is longer than {} bytes", path, kFileBytesMax)};
    }
  }
  return text;
}

std::string proxy_from(const net::Url& server, const Environment& environment) {
  const auto either = [&](const char* upper, const char* lower) {
    const std::string value = environment.get(upper);
    return value.empty() ? environment.get(lower) : value;
  };
  return net::proxy_for(server, {.https_proxy = either("HTTPS_PROXY", "https_proxy"),
                                 .http_proxy = either("HTTP_PROXY", "http_proxy"),
                                 .all_proxy = either("ALL_PROXY", "all_proxy"),
                                 .no_proxy = either("NO_PROXY", "no_proxy")});
}

Result<Access> in_cluster(const Environment& environment, const std::string& folder) {
  Access access;
  access.source = "the service account of this pod";
  const std::string host = environment.get("KUBERNETES_SERVICE_HOST");
  std::string port = environment.get("KUBERNETES_SERVICE_PORT");
  if (port.empty()) port = "443";
  access.server = host.find(':') == std::string::npos ? fmt::format("https://{}:{}", host, port) : fmt::format("https://[{}]:{}", host, port);
  const net::Url url = HR_TRY(net::parse_url(access.server));
  access.proxy = proxy_from(url, environment);
  access.token_file = folder + "/token";
  auto token = read_text(access.token_file);
  if (!token) return std::move(token).error().at(access.source);
  auto ca = read_text(folder + "/ca.crt");
  if (!ca) return std::move(ca).error().at(access.source);
  access.ca_pem = std::move(ca).value();
  auto ns = read_text(folder + "/namespace");
  access.namespace_ = ns ? *ns : "";
  while (!access.namespace_.empty() && access.namespace_.back() <= ' ') access.namespace_.pop_back();
  if (access.namespace_.empty()) access.namespace_ = "default";
  access.environment = environment;
  return access;
}

Result<Access> find_access(const Environment& environment, std::string context) {
  const std::vector<std::string> files = split_files(environment.get("KUBECONFIG"));
  if (!files.empty()) return from_files(files, "$KUBECONFIG", environment, context);
  std::error_code code;
  if (!environment.get("KUBERNETES_SERVICE_HOST").empty() && fs::exists(std::string(kAccountFolder) + "/token", code)) {
    if (!context.empty()) {
      return Error{.kind = Kind::misuse, .what = fmt::format("there is no context `{}`", context),
                   .why = "in a pod the cluster's service account is used, which has no contexts",
                   .next = "set KUBECONFIG to a file that has this context"};
    }
    return in_cluster(environment, kAccountFolder);
  }
  const std::string home = environment.get("HOME");
  if (home.empty()) {
    return Error{.kind = Kind::missing, .what = "there is no kubeconfig, so no Kubernetes cluster is known",
                 .why = "neither KUBECONFIG nor HOME is set", .next = "set KUBECONFIG to the file that says how to reach the cluster"};
  }
  return from_files({home + "/.kube/config"}, "the default place", environment, context);
}

Result<Access> parse_kubeconfig(std::string_view text, const std::string& file, const std::string& folder,
                                const Environment& environment, const std::string& context) {
  const Kubeconfig config = HR_TRY(read_kubeconfig(text, file, folder));
  return choose(config, context, file, environment);
}

}  // namespace headrace::kube
