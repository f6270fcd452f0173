#include "net/http_client.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/event.h"
#include "loop/task_group.h"
#include "net/testing/http_server.h"

namespace headrace::net {
namespace {

using loop::Async;
using loop::EventLoop;
using testing::HttpServer;
using testing::Reply;
using testing::Seen;
using ::testing::HasSubstr;

/// What most tests talk to: answers with what it has seen.
Async<void> echo(Seen seen, Reply& reply) {
  const std::string text = seen.method + " " + seen.target + " " + seen.body;
  co_await reply.answer(200, text);
}

HttpSettings to(const std::string& url) {
  HttpSettings settings;
  settings.base = parse_url(url).value();
  return settings;
}

std::unique_ptr<HttpClient> client_of(EventLoop& loop, const std::string& url) {
  return std::move(HttpClient::make(loop, to(url))).value();
}

HttpRequest get(std::string target) {
  HttpRequest request;
  request.target = std::move(target);
  return request;
}

TEST(HttpClient, SendsAndReceives) {
  EventLoop loop;
  HttpServer server(loop, echo);
  const auto client = client_of(loop, server.url() + "/prefix");
  HttpRequest request = get("/a?b=c");
  request.method = "POST";
  request.body = "hello";
  request.headers = {{"X-Mine", "1"}};
  const auto answer = loop.block_on(client->send(request));
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST /prefix/a?b=c hello");
  EXPECT_EQ(server.requests()[0].header("X-Mine"), "1");
  EXPECT_EQ(server.requests()[0].header("Host"), "127.0.0.1:" + std::to_string(server.port()));
}

TEST(HttpClient, KeepsItsConnection) {
  EventLoop loop;
  HttpServer server(loop, echo);
  const auto client = client_of(loop, server.url());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(loop.block_on(client->send(get("/"))).ok());
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(client->connections_made(), 1u);
}

TEST(HttpClient, TakesANewConnectionWhenTheKeptOneHasEnded) {
  EventLoop loop;
  HttpServer server(loop, echo);
  const auto client = client_of(loop, server.url());
  ASSERT_TRUE(loop.block_on(client->send(get("/1"))).ok());
  server.close_all();
  ASSERT_TRUE(loop.block_on(client->send(get("/2"))).ok());
  EXPECT_EQ(server.connections(), 2u);
}

TEST(HttpClient, AsksAgainWhenAKeptConnectionEndsBeforeTheAnswer) {
  EventLoop loop;
  int asked = 0;
  HttpServer server(loop, [&asked](Seen seen, Reply& reply) -> Async<void> {
    if (++asked == 2) co_return reply.cut();
    co_await reply.answer(200, seen.target);
  });
  const auto client = client_of(loop, server.url());
  ASSERT_TRUE(loop.block_on(client->send(get("/1"))).ok());
  const auto answer = loop.block_on(client->send(get("/2")));
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->body, "/2");
  EXPECT_EQ(asked, 3);
}

TEST(HttpClient, ReportsAConnectionThatIsLost) {
  EventLoop loop;
  HttpServer server(loop, [](Seen seen, Reply& reply) -> Async<void> {
    if (seen.target == "/half") {
      co_await reply.begin(200);
      (void)co_await reply.chunk("some");
    }
    reply.cut();
  });
  const auto client = client_of(loop, server.url());
  for (const char* target : {"/none", "/half"}) {
    const auto answer = loop.block_on(client->send(get(target)));
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().kind, Kind::retry);
    EXPECT_THAT(answer.error().what, HasSubstr("lost"));
  }
  EXPECT_EQ(client->connections_open(), 0u);
}

TEST(HttpClient, BoundsItsConnections) {
  EventLoop loop;
  int now = 0, most = 0;
  HttpServer server(loop, [&](Seen seen, Reply& reply) -> Async<void> {
    most = std::max(most, ++now);
    co_await loop.yield();
    --now;
    co_await reply.answer(200, seen.target);
  });
  HttpSettings settings = to(server.url());
  settings.connections_max = 3;
  const auto client = std::move(HttpClient::make(loop, settings)).value();
  loop::TaskGroup group(loop);
  std::vector<std::string> order;
  for (int i = 0; i < 40; ++i) {
    group.spawn([](HttpClient& c, HttpRequest request, std::vector<std::string>& done) -> Async<void> {
      const auto answer = co_await c.send(std::move(request));
      EXPECT_TRUE(answer.ok());
      if (answer) done.push_back(answer->body);
    }(*client, get("/" + std::to_string(i)), order));
  }
  loop.block_on(group.wait());
  EXPECT_EQ(order.size(), 40u);
  EXPECT_LE(most, 3);
  EXPECT_LE(server.connections(), 3u);
}

TEST(HttpClient, ReadsABodyPieceByPiece) {
  EventLoop loop;
  loop::Event next(loop);
  bool go = false;
  HttpServer server(loop, [&](Seen, Reply& reply) -> Async<void> {
    co_await reply.begin(200);
    (void)co_await reply.chunk("first");
    while (!go) co_await next.wait();
    (void)co_await reply.chunk("second");
    co_await reply.end();
  });
  const auto client = client_of(loop, server.url());
  auto stream = loop.block_on(client->open(get("/")));
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ((*stream)->head().status, 200);
  EXPECT_EQ(loop.block_on((*stream)->read()).value(), "first");
  go = true;
  next.notify();
  EXPECT_EQ(loop.block_on((*stream)->read()).value(), "second");
  EXPECT_EQ(loop.block_on((*stream)->read()).value(), "");
  EXPECT_EQ(loop.block_on((*stream)->read()).value(), "");
  // The connection serves the next request.
  EXPECT_EQ(client->connections_open(), 1u);
}

TEST(HttpClient, StreamsDoNotTakeThePlacesOfOthers) {
  EventLoop loop;
  HttpServer server(loop, [](Seen seen, Reply& reply) -> Async<void> {
    if (seen.target == "/quick") {
      co_await reply.answer(200, "");
    } else {
      co_await reply.begin(200);
      co_await reply.client_gone();
    }
  });
  HttpSettings settings = to(server.url());
  settings.connections_max = 1;
  settings.streams_max = 2;
  const auto client = std::move(HttpClient::make(loop, settings)).value();
  auto a = loop.block_on(client->open(get("/")));
  auto b = loop.block_on(client->open(get("/")));
  ASSERT_TRUE(a.ok() && b.ok());
  const auto c = loop.block_on(client->open(get("/")));
  ASSERT_FALSE(c.ok());
  EXPECT_EQ(c.error().kind, Kind::retry);
  EXPECT_TRUE(loop.block_on(client->send(get("/quick"))).ok());
  a->reset();
  EXPECT_TRUE(loop.block_on(client->open(get("/"))).ok());
}

TEST(HttpClient, CloseEndsARead) {
  EventLoop loop;
  HttpServer server(loop, [](Seen, Reply& reply) -> Async<void> {
    co_await reply.begin(200);
    co_await reply.client_gone();
  });
  const auto client = client_of(loop, server.url());
  auto stream = loop.block_on(client->open(get("/")));
  ASSERT_TRUE(stream.ok());
  loop.post([&] {
    loop.post([&] {  // By now the read below has begun.
      (*stream)->close();
      stream->reset();
    });
  });
  const auto piece = loop.block_on((*stream)->read());
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().kind, Kind::missing);
}

TEST(HttpClient, CloseOfTheClientEndsAllThatWaits) {
  EventLoop loop;
  HttpServer server(loop, [](Seen, Reply& reply) -> Async<void> { co_await reply.client_gone(); });
  HttpSettings settings = to(server.url());
  settings.connections_max = 1;
  auto client = std::move(HttpClient::make(loop, settings)).value();
  loop::TaskGroup group(loop);
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    group.spawn([](HttpClient& c, int& count) -> Async<void> {
      const auto answer = co_await c.send(get("/"));
      EXPECT_FALSE(answer.ok());
      EXPECT_EQ(answer.ok() ? Kind::failed : answer.error().kind, Kind::missing);
      ++count;
    }(*client, ended));
  }
  loop.post([&] { loop.post([&] { client->close(); }); });
  loop.block_on(group.wait());
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(loop.block_on(client->send(get("/"))).error().kind, Kind::missing);
}

TEST(HttpClient, IsStoppedBeforeTheHeadHasCome) {
  EventLoop loop;
  HttpServer server(loop, [](Seen, Reply& reply) -> Async<void> { co_await reply.client_gone(); });
  const auto client = client_of(loop, server.url());
  for (const int turns : {0, 1, 2, 5, 50}) {
    SCOPED_TRACE(turns);
    HttpRequest request = get("/");
    request.stop = std::make_shared<loop::Stop>();
    const auto stop = request.stop;
    loop.spawn([](EventLoop& l, std::shared_ptr<loop::Stop> s, int count) -> Async<void> {
      for (int turn = 0; turn < count; ++turn) co_await l.yield();
      s->stop();
    }(loop, stop, turns));
    const auto stream = loop.block_on(client->open(std::move(request)));
    ASSERT_FALSE(stream.ok());
    EXPECT_EQ(stream.error().kind, Kind::missing);
    EXPECT_EQ(client->connections_open(), 0u);
  }
}

TEST(HttpClient, NoticesSilence) {
  EventLoop loop;
  HttpServer server(loop, [](Seen seen, Reply& reply) -> Async<void> {
    if (seen.target == "/head") {
      co_await reply.begin(200);
      (void)co_await reply.chunk("x");
    }
    co_await reply.client_gone();
  });
  const auto client = client_of(loop, server.url());
  for (const char* target : {"/", "/head"}) {
    HttpRequest request = get(target);
    request.silence_max = 30ms;
    const auto answer = loop.block_on(client->send(request));
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().kind, Kind::retry);
    EXPECT_THAT(answer.error().why, HasSubstr("nothing came for"));
  }
}

TEST(HttpClient, EndsAtTheDeadline) {
  EventLoop loop;
  HttpServer server(loop, [&loop](Seen, Reply& reply) -> Async<void> {
    co_await reply.begin(200);
    while (co_await reply.chunk("x")) co_await loop.sleep_for(1ms);
  });
  const auto client = client_of(loop, server.url());
  HttpRequest request = get("/");
  request.deadline = loop.now() + 40ms;
  const auto answer = loop.block_on(client->send(request));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_THAT(answer.error().why, HasSubstr("the time for this request is over"));
}

TEST(HttpClient, SaysWhatCannotBeReached) {
  EventLoop loop;
  std::string url;
  {
    HttpServer gone(loop, echo);
    url = gone.url();
  }
  const auto answer = loop.block_on(client_of(loop, url)->send(get("/")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_EQ(answer.error().what, url.substr(7) + " cannot be reached");
  EXPECT_THAT(answer.error().why, HasSubstr("refused"));
}

/// A port whose connections nobody takes: its queue is full.
class FullPort {
 public:
  FullPort() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    for (int& fd : waiting_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)::connect(fd, reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  ~FullPort() {
    for (const int fd : waiting_) ::close(fd);
    ::close(listener_);
  }
  std::uint16_t port = 0;

 private:
  int listener_ = -1;
  std::array<int, 4> waiting_{};
};

TEST(HttpClient, GivesUpOnAConnectionThatIsNotTaken) {
  EventLoop loop;
  const FullPort full;
  HttpSettings settings = to("http://127.0.0.1:" + std::to_string(full.port));
  settings.connect_max = 40ms;
  const auto client = std::move(HttpClient::make(loop, settings)).value();
  const auto answer = loop.block_on(client->send(get("/")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::retry);
  EXPECT_THAT(answer.error().what, HasSubstr("cannot be reached"));
}

TEST(HttpClient, TheLoopMayEndInTheMiddle) {
  const FullPort full;
  for (const bool connected : {false, true}) {
    std::unique_ptr<HttpClient> client;
    EventLoop loop;
    HttpServer server(loop, [](Seen, Reply& reply) -> Async<void> { co_await reply.client_gone(); });
    client = client_of(loop, connected ? server.url() : "http://127.0.0.1:" + std::to_string(full.port));
    for (int i = 0; i < 40; ++i) {  // More than may be at once: some wait for a place.
      loop.spawn([](HttpClient& c) -> Async<void> { (void)co_await c.send(get("/")); }(*client));
    }
    loop.spawn([](EventLoop& l) -> Async<void> {
      for (int i = 0; i < 50; ++i) co_await l.yield();
      l.stop();
    }(loop));
    loop.run();
    client = nullptr;
  }
}

Async<void> answer_raw(Seen seen, Reply& reply) {
  if (seen.target == "/continue") {
    co_await reply.raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  } else if (seen.target == "/until-end") {
    co_await reply.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
  } else if (seen.target == "/short") {
    co_await reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
  } else if (seen.target == "/huge-head") {
    co_await reply.raw("HTTP/1.1 200 OK\r\nX: " + std::string(kHeadBytesMax, 'x') + "\r\n\r\n");
  } else {
    co_await reply.raw("SSH-2.0-OpenSSH\r\n\r\n");
  }
}

TEST(HttpClient, ReadsWhatHttpAllows) {
  EventLoop loop;
  HttpServer server(loop, answer_raw);
  const auto client = client_of(loop, server.url());
  const auto passed_over = loop.block_on(client->send(get("/continue")));
  ASSERT_TRUE(passed_over.ok()) << to_text(passed_over.error());
  EXPECT_EQ(passed_over->body, "ok");
  EXPECT_EQ(passed_over->status, 200);
  const auto until_end = loop.block_on(client->send(get("/until-end")));
  ASSERT_TRUE(until_end.ok()) << to_text(until_end.error());
  EXPECT_EQ(until_end->body, "all of it");
}

TEST(HttpClient, RefusesWhatIsNotHttp) {
  EventLoop loop;
  HttpServer server(loop, answer_raw);
  const auto client = client_of(loop, server.url());
  EXPECT_EQ(loop.block_on(client->send(get("/short"))).error().kind, Kind::retry);
  EXPECT_EQ(loop.block_on(client->send(get("/huge-head"))).error().kind, Kind::failed);
  EXPECT_EQ(loop.block_on(client->send(get("/ssh"))).error().kind, Kind::failed);
}

TEST(HttpClient, NoBodyComesWithSomeAnswers) {
  EventLoop loop;
  HttpServer server(loop, [](Seen seen, Reply& reply) -> Async<void> {
    co_await reply.answer(seen.method == "HEAD" ? 200 : 204, "never sent");
  });
  const auto client = client_of(loop, server.url());
  HttpRequest head = get("/");
  head.method = "HEAD";
  EXPECT_EQ(loop.block_on(client->send(head))->body, "");
  EXPECT_EQ(loop.block_on(client->send(get("/")))->status, 204);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, DoesNotSendHeadersThatBreakTheirLine) {
  EventLoop loop;
  HttpServer server(loop, echo);
  const auto client = client_of(loop, server.url());
  HttpRequest request = get("/");
  request.headers = {{"Authorization", "Bearer a\r\nX-Other: b"}};
  const auto answer = loop.block_on(client->send(request));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, Kind::misuse);
  EXPECT_FALSE(loop.block_on(client->send(get("/a b"))).ok());
  EXPECT_TRUE(server.requests().empty());
}

TEST(HttpClient, TakesLongBodiesAndSendsThem) {
  EventLoop loop;
  HttpServer server(loop, echo);
  const auto client = client_of(loop, server.url());
  HttpRequest request = get("/");
  request.method = "PUT";
  request.body = std::string(3'000'000, 'b');
  const auto answer = loop.block_on(client->send(request));
  ASSERT_TRUE(answer.ok()) << to_text(answer.error());
  EXPECT_EQ(answer->body.size(), 6 + request.body.size());
}

}  // namespace
}  // namespace headrace::net
