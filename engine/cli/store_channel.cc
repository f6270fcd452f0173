#include "cli/store_channel.h"

#include <utility>

namespace headrace::cli {

StoreChannel::StoreChannel(loop::EventLoop& loop, loop::WorkerPool& pool, S3Transfers& transfers, store::RunCopies& copies,
                           loop::StreamSocket socket, pid_t pid)
    : loop_(loop), pool_(pool), transfers_(transfers), copies_(copies), socket_(std::move(socket)), pid_(pid), requests_(loop),
      answered_(loop) {}

loop::Async<void> StoreChannel::serve() {
  transfers_.asker_came();
  for (;;) {
    while (requests_.size() >= kInFlightMax) co_await answered_.wait();
    auto frame = co_await wire::read_frame(socket_, kPayloadBytesMax);
    if (!frame) break;  // the other end has closed, or speaks another language: it sees its channel end
    requests_.spawn(answer(std::move(*frame)));
  }
  socket_.close();
  *gone_ = true;
  transfers_.asker_left();
  co_await requests_.wait();
}

loop::Async<void> StoreChannel::answer(wire::Frame frame) {
  wire::Frame out{.id = frame.id, .body = {}, .payload = {}};
  auto reply = co_await handle(std::move(frame));
  if (reply && reply->stream) {
    auto id = streams_.add(std::move(reply->stream));
    if (id) {
      reply->body["stream"] = *id;
    } else {
      reply = std::move(id).error();
    }
  }
  if (reply) {
    out.body = std::move(reply->body);
    out.payload = std::move(reply->payload);
  } else {
    out.body = wire::error_body(reply.error());
  }
  auto written = co_await wire::write_frame(socket_, std::move(out));
  if (!written) socket_.close();
  answered_.notify();
}

loop::Async<Result<StoreReply>> StoreChannel::handle(wire::Frame frame) {
  const codec::Json op = frame.body.value("op", codec::Json());
  if (op == "read") {
    auto piece = co_await read(std::move(frame.body));
    co_return piece;
  }
  if (op == "close") {
    auto id = codec::get_uint(frame.body, "stream");
    if (!id) co_return std::move(id).error();
    auto stream = streams_.take(*id);
    if (!stream) co_return std::move(stream).error();
    co_return StoreReply{.body = wire::ok_body(), .payload = {}, .stream = nullptr};
  }
  if (op.is_string() && S3Transfers::knows(op.get_ref<const std::string&>())) {
    auto moved = co_await transfers_.answer(std::move(frame.body), std::move(frame.payload), gone_);
    co_return moved;
  }
  auto reply_work = [body = std::move(frame.body), payload = std::move(frame.payload), now = loop_.wall_now(), &copies = copies_] {
    return answer_store_request(body, payload, now, copies);
  };
  auto reply = co_await pool_.run(reply_work);
  co_return reply;
}

loop::Async<Result<StoreReply>> StoreChannel::read(codec::Json request) {
  auto id = codec::get_uint(request, "stream");
  if (!id) co_return std::move(id).error();
  auto length = codec::get_uint(request, "length");
  if (!length) co_return std::move(length).error();
  auto address = codec::find_uint(request, "address");
  if (!address) co_return std::move(address).error();
  auto stream = streams_.find(*id);
  if (!stream) co_return std::move(stream).error();
  auto piece_work = [stream = *stream, length = *length, pid = pid_, address = *address] {
    return address ? stream->read_into(length, pid, *address) : stream->read(length);
  };
  auto piece = co_await pool_.run(piece_work);
  if (!piece || piece->length == 0) static_cast<void>(streams_.take(*id));  // the end, or damage: nobody closes it
  if (!piece) co_return std::move(piece).error();
  StoreReply reply{.body = wire::ok_body(), .payload = std::move(piece->bytes), .stream = nullptr};
  reply.body["length"] = piece->length;
  if (piece->in_place) reply.body["in_place"] = true;
  co_return reply;
}

}  // namespace headrace::cli
