#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>

#include "net/http_client.h"
#include "net/testing/http_server.h"

namespace headrace::net {
namespace {

using loop::Async;
using loop::EventLoop;
using testing::Certificate;
using testing::CertificateSpec;
using testing::ConnectProxy;
using testing::HttpServer;
using testing::Reply;
using testing::Seen;
using testing::ServerTls;
using ::testing::HasSubstr;

Async<void> who(Seen seen, Reply& reply) { co_await reply.answer(200, seen.client_subject); }

CertificateSpec for_loopback() {
  CertificateSpec spec;
  spec.common_name = "api";
  spec.dns_names = {"kubernetes.default.svc"};
  spec.addresses = {"127.0.0.1"};
  return spec;
}

/// A server with a certificate, and a client that trusts its authority.
struct World {
  explicit World(CertificateSpec spec = for_loopback()) : certificate(make_certificate(authority, spec)) {
    tls.certificate = certificate;
  }
  void start() {
    server.emplace(loop, who, tls);
    settings.base = parse_url(server->url()).value();
    settings.tls.ca_pem = authority.pem;
  }
  Result<HttpAnswer> ask() {
    auto client = HttpClient::make(loop, settings);
    if (!client) return client.error();
    return loop.block_on((*client)->send({}));
  }

  EventLoop loop;
  Certificate authority = testing::make_authority();
  Certificate certificate;
  ServerTls tls;
  std::optional<HttpServer> server;
  HttpSettings settings;
};

TEST(Tls, TrustsTheGivenAuthorityForAnAddress) {
  World world;
  world.start();
  const auto answer = world.ask();
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->body, "");
}

TEST(Tls, TrustsAServerCertificateThatIsGivenItself) {
  World world;
  world.start();
  world.settings.tls.ca_pem = world.certificate.pem;
  EXPECT_TRUE(world.ask().ok());
}

TEST(Tls, RefusesAnotherAuthority) {
  World world;
  world.start();
  world.settings.tls.ca_pem = testing::make_authority("another authority").pem;
  const auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::misuse);
  EXPECT_THAT(answer.error().why, HasSubstr("was signed by `CN = test authority`, which the given CA does not hold"));
  EXPECT_TRUE(world.server->requests().empty());
  world.settings.tls.skip_verify = true;
  EXPECT_TRUE(world.ask().ok());
}

TEST(Tls, RefusesAnotherName) {
  CertificateSpec spec;
  spec.common_name = "127.0.0.1";  // The old place of names, which counts no longer.
  spec.dns_names = {"kubernetes", "kubernetes.default.svc"};
  World world(spec);
  world.start();
  const auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().why, "its certificate is for kubernetes, kubernetes.default.svc, not for 127.0.0.1");
  world.settings.tls.server_name = "kubernetes.default.svc";
  EXPECT_TRUE(world.ask().ok());
}

TEST(Tls, SaysWhenTheServersCertificateExpired) {
  CertificateSpec spec = for_loopback();
  spec.starts = std::chrono::hours(-48);
  spec.ends = std::chrono::hours(-24);
  World world(spec);
  world.start();
  const auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().why, HasSubstr("the certificate `CN = api` expired at 2"));
}

TEST(Tls, SaysWhenTheServersCertificateIsNotValidYet) {
  CertificateSpec spec = for_loopback();
  spec.starts = std::chrono::hours(24);
  spec.ends = std::chrono::hours(48);
  World world(spec);
  world.start();
  EXPECT_THAT(world.ask().error().why, HasSubstr("is not valid before"));
}

TEST(Tls, PresentsACertificate) {
  World world;
  const Certificate users = testing::make_authority("users");
  world.tls.client_ca = users.pem;
  world.start();
  CertificateSpec spec;
  spec.common_name = "me";
  const Certificate mine = make_certificate(users, spec);
  world.settings.tls.certificate_pem = mine.pem;
  world.settings.tls.key_pem = Secret(mine.key);
  const auto answer = world.ask();
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->body, "me");
}

TEST(Tls, SaysThatTheServerRefusesOurCertificate) {
  World world;
  world.tls.client_ca = testing::make_authority("users").pem;
  world.tls.client_required = true;
  world.start();
  const auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::denied) << to_text(answer.error());
  EXPECT_THAT(answer.error().what, HasSubstr("refuses our certificate"));
}

TEST(Tls, SaysWhatIsWrongWithSettings) {
  World world;
  world.start();
  const Certificate mine = make_certificate(world.authority, {});
  const Certificate other = make_certificate(world.authority, {});
  world.settings.tls.certificate_pem = mine.pem;
  world.settings.tls.key_pem = Secret(other.key);
  EXPECT_THAT(world.ask().error().what, HasSubstr("does not belong to the client certificate"));
  world.settings.tls.key_pem = Secret("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
  EXPECT_THAT(world.ask().error().what, HasSubstr("the client key cannot be read"));
  world.settings.tls.certificate_pem = "nothing";
  EXPECT_THAT(world.ask().error().what, HasSubstr("the client certificate cannot be read"));
  world.settings.tls = {.ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
  const auto answer = world.ask();
  EXPECT_THAT(answer.error().what, HasSubstr("the CA certificates cannot be read"));
  EXPECT_EQ(answer.error().kind, Kind::misuse);
}

TEST(Tls, SaysThatTheOtherSideSpeaksNoTls) {
  EventLoop loop;
  HttpServer server(loop, who);
  HttpSettings settings;
  settings.base = parse_url("https://127.0.0.1:" + std::to_string(server.port())).value();
  settings.tls.skip_verify = true;
  const auto client = std::move(HttpClient::make(loop, settings)).value();
  const auto answer = loop.block_on(client->send({}));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().why, "what answers there does not speak TLS") << to_text(answer.error());
}

TEST(Tls, GivesUpOnAHandshakeThatHangs) {
  EventLoop loop;
  namespace ip = boost::asio::ip;
  ip::tcp::acceptor deaf(loop.io(), ip::tcp::endpoint(ip::address_v4::loopback(), 0));  // Connections wait in its queue.
  HttpSettings settings;
  settings.base = parse_url("https://127.0.0.1:" + std::to_string(deaf.local_endpoint().port())).value();
  settings.tls.skip_verify = true;
  settings.connect_max = 40ms;
  const auto client = std::move(HttpClient::make(loop, settings)).value();
  const auto answer = loop.block_on(client->send({}));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_THAT(answer.error().what, HasSubstr("cannot be reached"));
}

TEST(Tls, LongStreamsComeWhole) {
  World world;
  world.server.emplace(world.loop, [](Seen, Reply& reply) -> Async<void> {
    co_await reply.begin(200);
    for (int i = 0; i < 200; ++i) {
      std::string bytes(10'000, static_cast<char>('a' + i % 26));
      if (!co_await reply.chunk(std::move(bytes))) co_return;
    }
    co_await reply.end();
  }, world.tls);
  world.settings.base = parse_url(world.server->url()).value();
  world.settings.tls.ca_pem = world.authority.pem;
  const auto answer = world.ask();
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->body.size(), 2'000'000u);
}

TEST(Proxy, IsAskedToConnect) {
  World world;
  world.start();
  ConnectProxy proxy(world.loop);
  proxy.send_all_to(world.server->port());
  // A name that only the proxy knows.
  world.settings.base = parse_url("https://kubernetes.default.svc:6443").value();
  world.settings.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
  const auto answer = world.ask();
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(proxy.asked(), std::vector<std::string>{"kubernetes.default.svc:6443"});
}

TEST(Proxy, IsToldUserAndPassword) {
  World world;
  world.start();
  ConnectProxy proxy(world.loop, "Basic bWU6cEB3");
  proxy.send_all_to(world.server->port());
  world.settings.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
  auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::denied);
  EXPECT_THAT(answer.error().next, HasSubstr("user and password"));
  world.settings.proxy = "http://me:p%40w@127.0.0.1:" + std::to_string(proxy.port());
  answer = world.ask();
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
}

TEST(Proxy, SaysThatItDoesNotReachTheServer) {
  World world;
  world.start();
  ConnectProxy proxy(world.loop);
  world.settings.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
  proxy.send_all_to(1);
  const auto answer = world.ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_THAT(answer.error().why, HasSubstr("502"));
}

TEST(Certificate, SaysWhoAndUntilWhen) {
  CertificateSpec spec;
  spec.common_name = "me";
  spec.ends = std::chrono::hours(1);
  const auto facts = read_certificate(make_certificate(testing::make_authority(), spec).pem);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->subject, "CN = me");
  EXPECT_LT(facts->not_before, facts->not_after);
  EXPECT_FALSE(read_certificate("nothing").ok());
}

}  // namespace
}  // namespace headrace::net
