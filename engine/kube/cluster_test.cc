// Against a real cluster: the one that $KUBECONFIG names. Skipped without. Makes pods in $HEADRACE_TEST_NAMESPACE or the
// context's namespace, and removes them.
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "kube/client.h"
#include "kube/pod_watch.h"

namespace headrace::kube {
namespace {

using loop::Async;
using loop::EventLoop;
using ::testing::HasSubstr;

class RealCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    const Environment environment = Environment::of_process();
    if (environment.get("KUBECONFIG").empty()) GTEST_SKIP() << "KUBECONFIG is not set: no cluster to test with";
    auto access = find_access(environment);
    ASSERT_TRUE(access.ok()) << to_text(access.error());
    const std::string given = environment.get("HEADRACE_TEST_NAMESPACE");
    ns_ = given.empty() ? access->namespace_ : given;
    auto client = Client::make(loop_, *access);
    ASSERT_TRUE(client.ok()) << to_text(client.error());
    client_ = std::move(client).value();
    name_ = fmt::format("hr-test-{}", ::getpid());
    selector_ = "headrace.test/process=" + std::to_string(::getpid());
  }

  void TearDown() override {
    if (!client_) return;
    Call call = pods();
    call.method = "DELETE";
    call.query["labelSelector"] = selector_;
    const auto removed = loop_.block_on(client_->call(call));
    EXPECT_TRUE(removed.ok() && removed->ok());
  }

  Call pods() const {
    Call call;
    call.path = fmt::format("/api/v1/namespaces/{}/pods", ns_);
    call.deadline = 20s;
    return call;
  }

  Call create(const std::string& name, const std::string& code) const {
    Call call = pods();
    call.method = "POST";
    const codec::Json container = {{"name", "a"}, {"image", "python:3.11"}, {"imagePullPolicy", "IfNotPresent"},
                                   {"command", {"python3", "-u", "-c", code}}};
    call.body = {{"apiVersion", "v1"}, {"kind", "Pod"},
                 {"metadata", {{"name", name}, {"labels", {{"headrace.test/process", std::to_string(::getpid())}}}}},
                 {"spec", {{"restartPolicy", "Never"}, {"terminationGracePeriodSeconds", 0}, {"containers", codec::Json::array({container})}}}};
    return call;
  }

  EventLoop loop_;
  std::unique_ptr<Client> client_;
  std::string ns_, name_, selector_;
};

std::string phase(const codec::Json* pod) {
  return pod == nullptr ? "" : (*pod)["status"].value("phase", "");
}

Async<bool> wait_for_phase(EventLoop& loop, PodWatch& watch, std::string pod, std::string wanted) {
  const Instant deadline = loop.now() + 60s;
  while (phase(watch.find(pod)) != wanted && loop.now() < deadline) (void)co_await watch.changed().wait_until(deadline);
  co_return phase(watch.find(pod)) == wanted;
}

Async<std::string> read_all(LogStream& log) {
  std::string text;
  for (;;) {
    auto piece = co_await log.read();
    EXPECT_TRUE(piece.ok());
    if (!piece || piece->empty()) co_return text;
    text += *piece;
  }
}

TEST_F(RealCluster, APodIsFollowedFromItsStartToItsEnd) {
  PodWatch watch(loop_, *client_, ns_, selector_);
  const auto started = loop_.block_on(watch.start());
  ASSERT_TRUE(started.ok()) << to_text(started.error());
  const auto made = loop_.block_on(client_->call_ok(create(name_, "import sys\nfor i in range(3): print(i)\nsys.exit(7)")));
  ASSERT_TRUE(made.ok()) << to_text(made.error());
  ASSERT_TRUE(loop_.block_on(wait_for_phase(loop_, watch, name_, "Failed")));
  const codec::Json* pod = watch.find(name_);
  EXPECT_EQ((*pod)["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 7);
  EXPECT_FALSE((*pod)["spec"]["containers"][0].contains("command"));
  auto log = loop_.block_on(client_->follow_log(ns_, name_, {}));
  ASSERT_TRUE(log.ok()) << to_text(log.error());
  EXPECT_EQ(loop_.block_on(read_all(**log)), "0\n1\n2\n");
  EXPECT_EQ(watch.lists_made(), 1u);
  EXPECT_EQ(watch.watches_opened(), 1u);
}

TEST_F(RealCluster, ALogIsFollowedWhileItIsWritten) {
  PodWatch watch(loop_, *client_, ns_, selector_);
  ASSERT_TRUE(loop_.block_on(watch.start()).ok());
  const std::string code = "import time\nfor i in range(4): print(i); time.sleep(0.4)";
  ASSERT_TRUE(loop_.block_on(client_->call_ok(create(name_, code))).ok());
  ASSERT_TRUE(loop_.block_on(wait_for_phase(loop_, watch, name_, "Running")));
  auto log = loop_.block_on(client_->follow_log(ns_, name_, {}));
  ASSERT_TRUE(log.ok()) << to_text(log.error());
  const auto first = loop_.block_on((*log)->read());
  ASSERT_TRUE(first.ok());
  EXPECT_LT(first->size(), 8u);  // Not all at once at the end.
  EXPECT_EQ(*first + loop_.block_on(read_all(**log)), "0\n1\n2\n3\n");
}

TEST_F(RealCluster, WhatIsRefusedIsNamed) {
  Call call = create(name_, "pass");
  call.body["spec"]["containers"][0]["image"] = nullptr;
  const auto invalid = loop_.block_on(client_->call_ok(call));
  ASSERT_FALSE(invalid.ok());
  EXPECT_EQ(invalid.error().kind, Kind::misuse);
  EXPECT_THAT(invalid.error().why, HasSubstr("image"));

  call = pods();
  call.path += "/never-made";
  const auto missing = loop_.block_on(client_->call_ok(call));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, Kind::missing);
  EXPECT_EQ(missing.error().what, fmt::format("cannot get pods `never-made` in namespace `{}`", ns_));

  const auto not_started = loop_.block_on(client_->follow_log(ns_, "never-made", {}));
  ASSERT_FALSE(not_started.ok());
  EXPECT_EQ(not_started.error().kind, Kind::missing);

  call = create(name_, "pass");
  call.path = "/api/v1/namespaces/headrace-never-made/pods";
  const auto nowhere = loop_.block_on(client_->call(call));
  ASSERT_TRUE(nowhere.ok());
  EXPECT_FALSE(nowhere->ok());
  EXPECT_THAT(nowhere->status, ::testing::AnyOf(403, 404));  // By the rights of the user.
}

TEST_F(RealCluster, TheSameNameTwiceIsAConflict) {
  ASSERT_TRUE(loop_.block_on(client_->call_ok(create(name_, "pass"))).ok());
  const auto again = loop_.block_on(client_->call(create(name_, "pass")));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->status, 409);
  EXPECT_EQ(again->reason(), "AlreadyExists");
}

TEST_F(RealCluster, AListComesInPages) {
  auto access = find_access(Environment::of_process());
  ClientSettings settings;
  settings.page_items = 2;
  auto client = std::move(Client::make(loop_, *access, settings)).value();
  for (int i = 0; i < 5; ++i) {
    Call call = create(fmt::format("{}-{}", name_, i), "pass");
    call.body["spec"]["nodeSelector"] = {{"headrace.test/none", "x"}};  // Stays pending.
    ASSERT_TRUE(loop_.block_on(client->call_ok(call)).ok());
  }
  Call call = pods();
  call.query["labelSelector"] = selector_;
  const std::size_t before = client->requests_sent();
  const auto listing = loop_.block_on(client->list(call));
  ASSERT_TRUE(listing.ok()) << to_text(listing.error());
  EXPECT_EQ(listing->items.size(), 5u);
  EXPECT_FALSE(listing->resource_version.empty());
  EXPECT_GE(client->requests_sent() - before, 3u);
}

}  // namespace
}  // namespace headrace::kube
