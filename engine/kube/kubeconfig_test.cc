#include "kube/kubeconfig.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/base64.h"

namespace headrace::kube {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A folder with files, removed at the end.
class Folder {
 public:
  Folder() : path_(fs::path(::testing::TempDir()) / ("kube-" + std::to_string(::getpid()) + "-" + std::to_string(next_++))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  static inline int next_ = 0;
  fs::path path_;
};

constexpr const char* kTwoContexts = R"(
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: near
  cluster: {server: "https://10.0.0.1:6443", certificate-authority: pki/ca.crt}
- name: far
  cluster:
    server: https://far.example.org
    tls-server-name: kubernetes
    insecure-skip-tls-verify: true
    proxy-url: http://proxy:3128
users:
- name: me
  user: {client-certificate: me.crt, client-key: me.key}
- name: robot
  user: {token: abc, as: someone, as-groups: [a, b], as-user-extra: {why: [x, y]}}
contexts:
- name: dev
  context: {cluster: near, user: me, namespace: ml}
- name: prod
  context: {cluster: far, user: robot}
)";

Result<Access> parse(const std::string& text, const std::string& context = "", const std::string& folder = "/etc/k",
                     Environment environment = {}) {
  return parse_kubeconfig(text, "/etc/k/config", folder, environment, context);
}

TEST(Kubeconfig, ReadsTheCurrentContextAndFilesBesideIt) {
  const Folder folder;
  folder.write("pki/ca.crt", "CA");
  folder.write("me.crt", "CERT");
  folder.write("me.key", "KEY");
  const auto access = parse(kTwoContexts, "", folder.path());
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  EXPECT_EQ(access->server, "https://10.0.0.1:6443");
  EXPECT_EQ(access->ca_pem, "CA");
  EXPECT_EQ(access->certificate_pem, "CERT");
  EXPECT_EQ(access->key_pem.reveal(), "KEY");
  EXPECT_EQ(access->namespace_, "ml");
  EXPECT_EQ(access->described(), "context `dev` of /etc/k/config");
}

TEST(Kubeconfig, ReadsAnotherContext) {
  const auto access = parse(kTwoContexts, "prod");
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  EXPECT_EQ(access->server, "https://far.example.org");
  EXPECT_EQ(access->tls_server_name, "kubernetes");
  EXPECT_TRUE(access->skip_verify);
  EXPECT_EQ(access->proxy, "http://proxy:3128");
  EXPECT_EQ(access->token.reveal(), "abc");
  EXPECT_EQ(access->namespace_, "default");
  EXPECT_EQ(access->impersonate, "someone");
  EXPECT_THAT(access->impersonate_groups, ElementsAre("a", "b"));
  EXPECT_THAT(access->impersonate_extra.at("why"), ElementsAre("x", "y"));
}

TEST(Kubeconfig, ReadsInlineData) {
  const std::string text = R"(
current-context: c
clusters: [{name: c, cluster: {server: "https://a", certificate-authority-data: )" + codec::to_base64("CA") + R"(}}]
users: [{name: u, user: {client-certificate-data: )" + codec::to_base64("CERT") + ", client-key-data: " + codec::to_base64("KEY") + R"(}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
)";
  const auto access = parse(text);
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  EXPECT_EQ(access->ca_pem, "CA");
  EXPECT_EQ(access->certificate_pem, "CERT");
  EXPECT_EQ(access->key_pem.reveal(), "KEY");
}

TEST(Kubeconfig, IsAlsoJson) {
  EXPECT_TRUE(parse(R"({"current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c"}}], "users": null})").ok());
}

std::string with_user(const std::string& user) {
  return "current-context: c\nclusters: [{name: c, cluster: {server: 'https://a'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
         "users:\n- name: u\n  user:\n" + user;
}

TEST(Kubeconfig, ReadsExecPlugins) {
  const auto access = parse(with_user(R"(
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [get-token, "--cluster=a"]
      env: [{name: PROFILE, value: dev}]
      installHint: install it so
      provideClusterInfo: true
      interactiveMode: IfAvailable
)"));
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  ASSERT_TRUE(access->exec);
  EXPECT_EQ(access->exec->command, "/etc/k/bin/login");
  EXPECT_THAT(access->exec->arguments, ElementsAre("get-token", "--cluster=a"));
  EXPECT_EQ(access->exec->environment.at("PROFILE"), "dev");
  EXPECT_TRUE(access->exec->provide_cluster_info);
  EXPECT_EQ(parse(with_user("    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: login}"))->exec->command, "login");
}

TEST(Kubeconfig, SaysWhichUsersCannotBeUsed) {
  const auto why = [](const char* user) {
    const auto access = parse(with_user(user));
    EXPECT_FALSE(access.ok()) << user;
    if (access.ok()) return std::string();
    EXPECT_EQ(access.error().kind, Kind::misuse) << user;
    EXPECT_THAT(to_text(access.error()), HasSubstr("/etc/k/config")) << user;
    EXPECT_FALSE(access.error().next.empty()) << user;
    return access.error().why;
  };
  EXPECT_THAT(why("    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"), HasSubstr("v1alpha1"));
  EXPECT_THAT(why("    exec: {apiVersion: client.authentication.k8s.io/v1}"), HasSubstr("names no `command`"));
  EXPECT_THAT(why("    exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}"), HasSubstr("wants a terminal"));
  EXPECT_THAT(why("    auth-provider: {name: gcp}"), HasSubstr("auth-provider `gcp`"));
  EXPECT_THAT(why("    client-certificate-data: '!'"), HasSubstr("is not base64"));
  EXPECT_THAT(why("    client-key: /nowhere/me.key"), HasSubstr("No such file"));
  EXPECT_THAT(why("    token: [a]"), HasSubstr("`token`"));
  EXPECT_THAT(why("    - a"), HasSubstr("not a mapping"));
}

TEST(Kubeconfig, SaysWhichNamesAreUnknown) {
  const auto context = parse(kTwoContexts, "staging");
  ASSERT_FALSE(context.ok());
  EXPECT_EQ(context.error().what, "there is no context `staging`");
  EXPECT_EQ(context.error().why, "the kubeconfig has `dev`, `prod`");
  EXPECT_EQ(context.error().where, "/etc/k/config");
  EXPECT_THAT(parse("contexts: []").error().what, HasSubstr("no Kubernetes context is chosen"));
  EXPECT_EQ(parse("current-context: c\ncontexts: [{name: c, context: {cluster: x}}]").error().what, "there is no cluster `x`");
  EXPECT_EQ(parse("current-context: c\nclusters: [{name: x, cluster: {server: 'https://a'}}]\n"
                  "contexts: [{name: c, context: {cluster: x, user: y}}]").error().what, "there is no user `y`");
  EXPECT_THAT(parse("current-context: c\nclusters: [{name: x, cluster: {server: 'a:1'}}]\n"
                    "contexts: [{name: c, context: {cluster: x}}]").error().what, HasSubstr("`a:1` is not the address"));
}

TEST(Kubeconfig, SaysWhereItIsNoKubeconfig) {
  for (const char* text : {"", "just text", "- a\n- b", "a: [", "kind: Pod", "clusters: {a: b}", "clusters: [a]", "clusters: [{cluster: {}}]",
                           "clusters: [{name: a}]", "clusters: [{name: a, cluster: [b]}]", "users: [{name: {}, user: {}}]",
                           "clusters: [{name: a, cluster: {insecure-skip-tls-verify: maybe}}]"}) {
    const auto access = parse(text);
    ASSERT_FALSE(access.ok()) << text;
    EXPECT_EQ(access.error().kind, Kind::misuse) << text;
    EXPECT_THAT(access.error().where, HasSubstr("/etc/k/config")) << text;
  }
}

TEST(Access, MergesTheFilesOfKubeconfig) {
  const Folder folder;
  const std::string a = folder.write("a", "current-context: dev\ncontexts: [{name: dev, context: {cluster: near, user: me}}]\n");
  const std::string b = folder.write("b", "current-context: other\nusers: [{name: me, user: {token: abc}}]\n"
                                          "clusters: [{name: near, cluster: {server: 'https://b'}}]\ncontexts: [{name: dev, context: {cluster: none}}]\n");
  Environment environment{.variables = {{"KUBECONFIG", a + ":" + folder.path() + "/none:" + b}}};
  const auto access = find_access(environment);
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  EXPECT_EQ(access->server, "https://b");
  EXPECT_EQ(access->token.reveal(), "abc");
  EXPECT_EQ(access->source, a + ":" + b);
}

TEST(Access, SaysThatThereIsNoConfiguration) {
  const Folder folder;
  for (const Environment& environment : {Environment{}, Environment{.variables = {{"HOME", folder.path()}}},
                                         Environment{.variables = {{"KUBECONFIG", folder.path() + "/none"}}},
                                         Environment{.variables = {{"KUBECONFIG", folder.path() + "/none:/nor/this"}}}}) {
    const auto access = find_access(environment);
    ASSERT_FALSE(access.ok());
    EXPECT_EQ(access.error().kind, Kind::missing);
    EXPECT_THAT(access.error().what, HasSubstr("there is no kubeconfig"));
    EXPECT_FALSE(access.error().next.empty());
  }
}

TEST(Access, UsesTheDefaultPlace) {
  const Folder folder;
  folder.write(".kube/config", "current-context: c\nclusters: [{name: c, cluster: {server: 'https://home'}}]\ncontexts: [{name: c, context: {cluster: c}}]");
  EXPECT_EQ(find_access({.variables = {{"HOME", folder.path()}}})->server, "https://home");
}

TEST(Access, InAClusterIsItsServiceAccount) {
  const Folder folder;
  folder.write("token", "abc\n");
  folder.write("ca.crt", "CA");
  folder.write("namespace", "ml\n");
  Environment environment{.variables = {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}}};
  auto access = in_cluster(environment, folder.path());
  ASSERT_TRUE(access.ok()) << to_text(access.error());
  EXPECT_EQ(access->server, "https://10.96.0.1:443");
  EXPECT_EQ(access->token_file, folder.path() + "/token");
  EXPECT_EQ(access->ca_pem, "CA");
  EXPECT_EQ(access->namespace_, "ml");
  environment.variables["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  EXPECT_EQ(in_cluster(environment, folder.path())->server, "https://[fd00::1]:443");
  fs::remove(folder.path() + "/ca.crt");
  EXPECT_EQ(in_cluster(environment, folder.path()).error().where, "the service account of this pod");
}

TEST(Access, TakesTheProxyOfTheEnvironment) {
  const std::string text = "current-context: c\nclusters: [{name: c, cluster: {server: 'https://10.0.0.1'}}]\ncontexts: [{name: c, context: {cluster: c}}]";
  EXPECT_EQ(parse(text, "", "", {.variables = {{"https_proxy", "http://p:1"}}})->proxy, "http://p:1");
  EXPECT_EQ(parse(text, "", "", {.variables = {{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", "10.0.0.0/8"}}})->proxy, "");
}

}  // namespace
}  // namespace headrace::kube
