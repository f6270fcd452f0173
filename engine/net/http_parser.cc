#include "net/http_parser.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

namespace headrace::net {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

}  // namespace

struct HttpParser::State {
  explicit State(bool without_body) : no_body(without_body) { start(); }

  bool no_body;
  std::optional<http::response_parser<http::buffer_body>> parser;
  beast::flat_buffer unread;
  std::optional<HttpHead> head;
  std::string body;
  bool ended_early = false;  // Bytes came after the end of the answer: nobody knows what they are.

  void start() {
    parser.emplace();
    parser->header_limit(kHeadBytesMax);
    parser->body_limit(boost::none);
    parser->eager(true);
    if (no_body) parser->skip(true);
  }

  void note_head() {
    const auto& message = parser->get();
    head.emplace();
    head->status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      head->headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
  }

  Result<void> parse();
};

namespace {

Error not_http(boost::system::error_code code) {
  return Error{.kind = Kind::failed, .what = "the server's answer is not HTTP/1.1", .why = code.message(),
               .next = "check that the address and port are those of the server that is meant"};
}

}  // namespace

Result<void> HttpParser::State::parse() {
  std::string piece;
  while (!parser->is_done()) {
    if (unread.size() == 0) return {};
    piece.resize(kPieceBytes);
    parser->get().body().data = piece.data();
    parser->get().body().size = piece.size();
    parser->get().body().more = true;
    boost::system::error_code code;
    const std::size_t used = parser->put(unread.data(), code);
    unread.consume(used);
    if (!head && parser->is_header_done()) {
      if (parser->get().result_int() / 100 == 1 && parser->get().result_int() != 101) {
        start();
        continue;
      }
      note_head();
    }
    if (head) body.append(piece.data(), piece.size() - parser->get().body().size);
    if (code == http::error::need_buffer) continue;
    if (code == http::error::need_more) return {};
    if (code) return not_http(code);
  }
  if (unread.size() != 0) ended_early = true;
  return {};
}

HttpParser::HttpParser(bool no_body) : state_(std::make_unique<State>(no_body)) {}
HttpParser::~HttpParser() = default;

Result<void> HttpParser::feed(std::string_view bytes) {
  if (!bytes.empty()) {
    const auto place = state_->unread.prepare(bytes.size());
    std::copy(bytes.begin(), bytes.end(), static_cast<char*>(place.data()));
    state_->unread.commit(bytes.size());
    return state_->parse();
  }
  // Without a head Beast may take the end for a complete answer: of a connection that ends before it.
  boost::system::error_code code;
  if (state_->head && !state_->parser->is_done()) state_->parser->put_eof(code);
  if (done() && !code) return {};
  return Error{.kind = Kind::retry, .what = "the connection was lost in the middle of an answer",
               .why = state_->head ? "the body is not complete" : "the head is not complete"};
}

const HttpHead* HttpParser::head() const { return state_->head ? &*state_->head : nullptr; }
std::string HttpParser::take_body() { return std::exchange(state_->body, std::string()); }
bool HttpParser::done() const { return state_->head.has_value() && state_->parser->is_done(); }
bool HttpParser::keeps_connection() const { return done() && state_->parser->keep_alive() && !state_->ended_early; }

}  // namespace headrace::net
