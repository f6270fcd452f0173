#include "kube/kubeconfig.h"

#include <filesystem>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "codec/base64.h"

namespace headrace::kube {

namespace fs = std::filesystem;

namespace {

/// One mapping of the file, with its place for messages. Values are read with a check of their kind.
class Section {
 public:
  Section(YAML::Node node, std::string place) : node_(std::move(node)), place_(std::move(place)) {}

  [[nodiscard]] const std::string& place() const { return place_; }

  Result<void> must_be_mapping() const {
    if (node_.IsMap()) return {};
    return wrong("is not a mapping");
  }
  Result<std::string> text(const char* key) const {
    const YAML::Node value = node_[key];
    if (!value || value.IsNull()) return std::string();
    if (!value.IsScalar()) return wrong(fmt::format("has something else than text as `{}`", key));
    return value.Scalar();
  }
  Result<bool> flag(const char* key) const {
    const std::string value = HR_TRY(text(key));
    if (value.empty() || value == "false") return false;
    if (value == "true") return true;
    return wrong(fmt::format("has `{}` as `{}`, which must be true or false", value, key));
  }
  /// A mapping inside; nullopt when it is not there.
  Result<std::optional<Section>> section(const char* key) const {
    const YAML::Node value = node_[key];
    if (!value || value.IsNull()) return std::optional<Section>();
    Section inner(value, fmt::format("`{}` of {}", key, place_));
    HR_TRY(inner.must_be_mapping());
    return std::optional<Section>(std::move(inner));
  }
  Result<std::vector<Section>> list(const char* key) const {
    std::vector<Section> items;
    const YAML::Node value = node_[key];
    if (!value || value.IsNull()) return items;
    if (!value.IsSequence()) return wrong(fmt::format("has something else than a list as `{}`", key));
    for (std::size_t i = 0; i < value.size(); ++i) {
      Section item(value[i], fmt::format("entry {} of `{}`", i + 1, key));
      HR_TRY(item.must_be_mapping());
      items.push_back(std::move(item));
    }
    return items;
  }
  Result<std::vector<std::string>> texts(const char* key) const {
    std::vector<std::string> items;
    const YAML::Node value = node_[key];
    if (!value || value.IsNull()) return items;
    if (!value.IsSequence()) return wrong(fmt::format("has something else than a list as `{}`", key));
    for (const YAML::Node& item : value) {
      if (!item.IsScalar()) return wrong(fmt::format("has something else than texts in `{}`", key));
      items.push_back(item.Scalar());
    }
    return items;
  }
  Result<std::map<std::string, std::vector<std::string>>> text_lists(const char* key) const {
    std::map<std::string, std::vector<std::string>> all;
    const std::optional<Section> inner = HR_TRY(section(key));
    if (!inner) return all;
    for (const auto& entry : inner->node_) {
      if (!entry.first.IsScalar()) return inner->wrong("has a key that is no text");
      const std::string name = entry.first.Scalar();
      all[name] = HR_TRY(inner->texts(name.c_str()));
    }
    return all;
  }
  Error wrong(const std::string& why) const {
    return Error{.kind = Kind::misuse, .what = "the kubeconfig cannot be used", .why = place_ + " " + why,
                 .next = "correct that file, or write it anew with the tool that made it"};
  }

 private:
  YAML::Node node_;
  std::string place_;
};

std::string absolute(const std::string& path, const std::string& folder) {
  if (path.empty() || path.front() == '/') return path;
  return (fs::path(folder) / path).lexically_normal().string();
}

Result<Kubeconfig::Cluster> read_cluster(const Section& section, const std::string& folder) {
  Kubeconfig::Cluster cluster;
  cluster.server = HR_TRY(section.text("server"));
  cluster.tls_server_name = HR_TRY(section.text("tls-server-name"));
  cluster.ca_file = absolute(HR_TRY(section.text("certificate-authority")), folder);
  cluster.ca_data = HR_TRY(section.text("certificate-authority-data"));
  cluster.proxy_url = HR_TRY(section.text("proxy-url"));
  cluster.skip_verify = HR_TRY(section.flag("insecure-skip-tls-verify"));
  return cluster;
}

Result<Kubeconfig::Context> read_context(const Section& section) {
  Kubeconfig::Context context;
  context.cluster = HR_TRY(section.text("cluster"));
  context.user = HR_TRY(section.text("user"));
  context.namespace_ = HR_TRY(section.text("namespace"));
  return context;
}

Result<void> read_exec(const Section& section, const std::string& folder, Kubeconfig::User& user) {
  ExecPlugin plugin;
  plugin.api_version = HR_TRY(section.text("apiVersion"));
  if (plugin.api_version != "client.authentication.k8s.io/v1" && plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return section.wrong(fmt::format("has the apiVersion `{}`; known are client.authentication.k8s.io/v1 and v1beta1", plugin.api_version));
  }
  plugin.command = HR_TRY(section.text("command"));
  if (plugin.command.empty()) return section.wrong("names no `command`");
  if (plugin.command.find('/') != std::string::npos) plugin.command = absolute(plugin.command, folder);
  plugin.arguments = HR_TRY(section.texts("args"));
  for (const Section& variable : HR_TRY(section.list("env"))) {
    const std::string name = HR_TRY(variable.text("name"));
    if (name.empty() || name.find('=') != std::string::npos) return variable.wrong("has no name that a variable can have");
    plugin.environment[name] = HR_TRY(variable.text("value"));
  }
  plugin.provide_cluster_info = HR_TRY(section.flag("provideClusterInfo"));
  plugin.install_hint = HR_TRY(section.text("installHint"));
  user.always_interactive = HR_TRY(section.text("interactiveMode")) == "Always";
  user.exec = std::move(plugin);
  return {};
}

Result<Kubeconfig::User> read_user(const Section& section, const std::string& folder) {
  Kubeconfig::User user;
  user.certificate_file = absolute(HR_TRY(section.text("client-certificate")), folder);
  user.certificate_data = HR_TRY(section.text("client-certificate-data"));
  user.key_file = absolute(HR_TRY(section.text("client-key")), folder);
  user.key_data = Secret(HR_TRY(section.text("client-key-data")));
  user.token = Secret(HR_TRY(section.text("token")));
  user.token_file = absolute(HR_TRY(section.text("tokenFile")), folder);
  user.username = HR_TRY(section.text("username"));
  user.password = Secret(HR_TRY(section.text("password")));
  user.impersonate = HR_TRY(section.text("as"));
  user.impersonate_uid = HR_TRY(section.text("as-uid"));
  user.impersonate_groups = HR_TRY(section.texts("as-groups"));
  user.impersonate_extra = HR_TRY(section.text_lists("as-user-extra"));
  if (const auto provider = HR_TRY(section.section("auth-provider"))) user.auth_provider = HR_TRY(provider->text("name"));
  if (const auto exec = HR_TRY(section.section("exec"))) HR_TRY(read_exec(*exec, folder, user));
  return user;
}

/// Adds each entry of the list `key`, whose content stands below `inner`. The first of one name counts, as in kubectl.
template <class T, class Read>
Result<void> read_named(const Section& root, const char* key, const char* inner, std::map<std::string, T>& into, Read read) {
  for (const Section& entry : HR_TRY(root.list(key))) {
    const std::string name = HR_TRY(entry.text("name"));
    if (name.empty()) return entry.wrong("has no name");
    const auto content = HR_TRY(entry.section(inner));
    if (!content) return entry.wrong(fmt::format("has no `{}`", inner));
    const Section named(*content);
    auto value = read(named);
    if (!value) return std::move(value).error().at(fmt::format("{} `{}`", inner, name));
    into.try_emplace(name, std::move(value).value());
  }
  return {};
}

Result<Kubeconfig> read_root(const Section& root, const std::string& folder) {
  HR_TRY(root.must_be_mapping());
  Kubeconfig config;
  const std::string kind = HR_TRY(root.text("kind"));
  if (!kind.empty() && kind != "Config") return root.wrong(fmt::format("is of the kind `{}`, not Config", kind));
  config.current_context = HR_TRY(root.text("current-context"));
  HR_TRY(read_named(root, "clusters", "cluster", config.clusters, [&](const Section& s) { return read_cluster(s, folder); }));
  HR_TRY(read_named(root, "users", "user", config.users, [&](const Section& s) { return read_user(s, folder); }));
  HR_TRY(read_named(root, "contexts", "context", config.contexts, [](const Section& s) { return read_context(s); }));
  return config;
}

template <class T>
std::string names_of(const std::map<std::string, T>& all) {
  std::string text;
  for (const auto& [name, ignored] : all) text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  return text.empty() ? "none" : text;
}

/// Inline data wins over a file, as in kubectl.
Result<std::string> data_or_file(const std::string& data, const std::string& file, const char* what) {
  if (!data.empty()) {
    std::string compact;
    for (const char c : data) {
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') compact += c;
    }
    auto decoded = codec::from_base64(compact);
    if (decoded) return decoded;
    return Error{.kind = Kind::misuse, .what = "the kubeconfig cannot be used", .why = fmt::format("`{}-data` is not base64: {}", what, decoded.error().why),
                 .next = "write that file anew with the tool that made it"};
  }
  if (file.empty()) return std::string();
  auto text = read_text(file);
  if (text) return text;
  Error error = std::move(text).error().at(fmt::format("`{}`", what));
  error.kind = Kind::misuse;
  error.next = "correct the path in the kubeconfig, or log in to the cluster again";
  return error;
}

Error unknown(const std::string& what, const std::string& why, const std::string& next) {
  return Error{.kind = Kind::misuse, .what = what, .why = why, .next = next};
}

Result<void> take_cluster(const Kubeconfig::Cluster& cluster, Access& access) {
  if (cluster.server.empty()) return unknown("the cluster has no address", "it has no `server`", "add it to the kubeconfig");
  access.server = cluster.server;
  access.tls_server_name = cluster.tls_server_name;
  access.ca_pem = HR_TRY(data_or_file(cluster.ca_data, cluster.ca_file, "certificate-authority"));
  access.skip_verify = cluster.skip_verify;
  access.proxy = cluster.proxy_url;
  return {};
}

Result<void> take_user(const Kubeconfig::User& user, Access& access) {
  if (!user.auth_provider.empty()) {
    return unknown("the credentials cannot be used", fmt::format("they use the auth-provider `{}`, which Kubernetes itself has removed", user.auth_provider),
                   "write the kubeconfig anew with a current version of the tool that made it: it will use `exec`");
  }
  if (user.always_interactive) {
    return unknown("the credentials cannot be used", fmt::format("the program `{}` wants a terminal (interactiveMode: Always)", user.exec->command),
                   "choose IfAvailable or Never, and log in with that program's own command before");
  }
  access.certificate_pem = HR_TRY(data_or_file(user.certificate_data, user.certificate_file, "client-certificate"));
  access.key_pem = Secret(HR_TRY(data_or_file(user.key_data.reveal(), user.key_file, "client-key")));
  access.token = user.token;
  access.token_file = user.token_file;
  access.username = user.username;
  access.password = user.password;
  access.exec = user.exec;
  access.impersonate = user.impersonate;
  access.impersonate_uid = user.impersonate_uid;
  access.impersonate_groups = user.impersonate_groups;
  access.impersonate_extra = user.impersonate_extra;
  return {};
}

}  // namespace

Result<Kubeconfig> read_kubeconfig(std::string_view text, const std::string& file, const std::string& folder) {
  if (text.size() > kFileBytesMax) {
    return Error{.kind = Kind::misuse, .what = fmt::format("{} is longer than {} bytes", file, kFileBytesMax)};
  }
  try {
    const Section root(YAML::Load(std::string(text)), "the file");
    auto config = read_root(root, folder);
    if (!config) return std::move(config).error().at(file);
    return config;
  } catch (const std::exception& e) {
    return Error{.kind = Kind::misuse, .what = "the kubeconfig cannot be read", .where = file, .why = e.what(),
                 .next = "correct that file, or write it anew with the tool that made it"};
  }
}

void merge(Kubeconfig& into, Kubeconfig from) {
  if (into.current_context.empty()) into.current_context = std::move(from.current_context);
  into.clusters.merge(from.clusters);
  into.users.merge(from.users);
  into.contexts.merge(from.contexts);
}

Result<Access> choose(const Kubeconfig& config, const std::string& context, const std::string& source,
                      const Environment& environment) {
  const std::string wanted = context.empty() ? config.current_context : context;
  if (wanted.empty()) {
    return unknown("no Kubernetes context is chosen", fmt::format("the kubeconfig has no `current-context`; its contexts are {}", names_of(config.contexts)),
                   "choose one: `kubectl config use-context NAME`").at(source);
  }
  const auto found = config.contexts.find(wanted);
  if (found == config.contexts.end()) {
    return unknown(fmt::format("there is no context `{}`", wanted), fmt::format("the kubeconfig has {}", names_of(config.contexts)),
                   "choose one of these, or set KUBECONFIG to the file that has it").at(source);
  }
  Access access;
  access.context = wanted;
  access.source = source;
  access.environment = environment;
  const auto cluster = config.clusters.find(found->second.cluster);
  if (cluster == config.clusters.end()) {
    return unknown(fmt::format("there is no cluster `{}`", found->second.cluster), fmt::format("the kubeconfig has {}", names_of(config.clusters)),
                   "correct `cluster` of the context").at(access.described());
  }
  if (auto taken = take_cluster(cluster->second, access); !taken) {
    return std::move(taken).error().at(fmt::format("cluster `{}`", cluster->first)).at(access.described());
  }
  if (access.proxy.empty()) {
    const auto url = net::parse_url(access.server);
    if (!url) return url.error().at(fmt::format("`server` of cluster `{}`", cluster->first)).at(access.described());
    access.proxy = proxy_from(*url, environment);
  }
  if (!found->second.user.empty()) {
    const auto user = config.users.find(found->second.user);
    if (user == config.users.end()) {
      return unknown(fmt::format("there is no user `{}`", found->second.user), fmt::format("the kubeconfig has {}", names_of(config.users)),
                     "correct `user` of the context").at(access.described());
    }
    if (auto taken = take_user(user->second, access); !taken) {
      return std::move(taken).error().at(fmt::format("user `{}`", user->first)).at(access.described());
    }
  }
  access.namespace_ = found->second.namespace_.empty() ? "default" : found->second.namespace_;
  return access;
}

}  // namespace headrace::kube
