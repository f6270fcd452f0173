#include "kube/exec_plugin.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "codec/json.h"
#include "loop/event_loop.h"

namespace headrace::kube {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kVersion = "client.authentication.k8s.io/v1";

/// A plugin that is a shell script.
struct Plugin {
  explicit Plugin(const std::string& script, const std::string& name = "login") {
    folder = fs::path(::testing::TempDir()) / ("plugin-" + std::to_string(::getpid()) + "-" + std::to_string(next++));
    fs::create_directories(folder);
    std::ofstream(folder / name) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(folder / name, fs::perms::owner_all);
    access.exec = ExecPlugin{.api_version = kVersion, .command = name};
    access.environment.variables = {{"PATH", "/nowhere:" + folder.string() + ":/usr/bin:/bin"}, {"OURS", "1"}};
    access.server = "https://10.0.0.1";
  }
  ~Plugin() { fs::remove_all(folder); }
  static inline int next = 0;
  fs::path folder;
  Access access;
};

std::string credential(const std::string& status) {
  return R"({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": )" + status + "}";
}

TEST(ExecPlugin, GivesAToken) {
  Plugin plugin("echo '" + credential(R"({"token": "'$1$OURS$MORE'", "expirationTimestamp": "2030-01-02T03:04:05Z"})") + "'");
  plugin.access.exec->arguments = {"a"};
  plugin.access.exec->environment = {{"MORE", "b"}};
  const auto given = run_plugin(plugin.access);
  ASSERT_TRUE(given.ok()) << to_text(given.error());
  EXPECT_EQ(given->token.reveal(), "a1b");
  ASSERT_TRUE(given->expires);
}

TEST(ExecPlugin, IsToldTheCluster) {
  Plugin plugin("echo \"$KUBERNETES_EXEC_INFO\" > " + ::testing::TempDir() + "/exec_info; echo '" + credential(R"({"token": "t"})") + "'");
  plugin.access.exec->provide_cluster_info = true;
  plugin.access.ca_pem = "CA";
  ASSERT_TRUE(run_plugin(plugin.access).ok());
  std::ifstream file(::testing::TempDir() + "/exec_info");
  std::string text;
  std::getline(file, text);
  const codec::Json info = codec::parse_json(text, "info").value();
  EXPECT_EQ(info["apiVersion"], kVersion);
  EXPECT_EQ(info["kind"], "ExecCredential");
  EXPECT_EQ(info["spec"]["interactive"], false);
  EXPECT_EQ(info["spec"]["cluster"]["server"], "https://10.0.0.1");
  EXPECT_EQ(info["spec"]["cluster"]["certificate-authority-data"], "Q0E=");
}

TEST(ExecPlugin, SaysHowItFailed) {
  const Plugin failing("echo 'session expired, run login' >&2; exit 3");
  const auto failed = run_plugin(failing.access);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, Kind::misuse);
  EXPECT_EQ(failed.error().what, "the program `login` gives no credentials for the cluster");
  EXPECT_EQ(failed.error().why, "it ended with exit code 3: session expired, run login");
  const Plugin killed("kill -9 $$");
  EXPECT_THAT(run_plugin(killed.access).error().why, HasSubstr("signal 9"));
}

TEST(ExecPlugin, IsNotFoundWithItsHint) {
  Plugin plugin("");
  plugin.access.exec->command = "never-installed";
  plugin.access.exec->install_hint = "get it\nthere";
  const auto given = run_plugin(plugin.access);
  ASSERT_FALSE(given.ok());
  EXPECT_EQ(given.error().why, "it is not in PATH");
  EXPECT_EQ(given.error().next, "get it there");
  plugin.access.exec->command = "/nowhere/login";
  EXPECT_EQ(run_plugin(plugin.access).error().why, "there is no such program");
}

TEST(ExecPlugin, IsEndedWhenItTakesTooLong) {
  const Plugin plugin("sleep 600 & wait");  // Its child too.
  const auto given = run_plugin(plugin.access, 50ms);
  ASSERT_FALSE(given.ok());
  EXPECT_EQ(given.error().kind, Kind::retry);
  EXPECT_THAT(given.error().why, HasSubstr("did not end within"));
}

TEST(ExecPlugin, MayNotPrintWithoutEnd) {
  const Plugin plugin("yes");
  EXPECT_THAT(run_plugin(plugin.access).error().why, HasSubstr("prints more than"));
}

TEST(ExecCredential, SaysWhatIsWrongWithIt) {
  const auto what = [](const std::string& text) {
    const auto given = parse_credential(text, kVersion);
    EXPECT_FALSE(given.ok()) << text;
    return given.ok() ? "" : given.error().what + given.error().why;
  };
  EXPECT_THAT(what("not json"), HasSubstr("not valid JSON"));
  EXPECT_THAT(what(R"({"kind": "Pod", "apiVersion": "v1"})"), HasSubstr("`Pod`"));
  EXPECT_THAT(what(R"({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1"})"), HasSubstr("v1beta1"));
  EXPECT_THAT(what(R"({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"})"), HasSubstr("has no status"));
  EXPECT_THAT(what(credential("{}")), HasSubstr("neither a token nor a certificate"));
  EXPECT_THAT(what(credential(R"({"clientCertificateData": "a"})")), HasSubstr("only one of"));
  EXPECT_THAT(what(credential(R"({"token": "t", "expirationTimestamp": "tomorrow"})")), HasSubstr("`tomorrow` is no time"));
  const auto both = parse_credential(credential(R"({"clientCertificateData": "a", "clientKeyData": "b"})"), kVersion);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->key_pem.reveal(), "b");
}

}  // namespace
}  // namespace headrace::kube
