// Artifacts on their way between a process and the blob store: small ones in one message, large ones in pieces.
#include <fmt/format.h>

#include <utility>

#include "attempt/channel.h"
#include "codec/sha1.h"

namespace headrace::attempt {

namespace {

store::Artifact artifact(std::string name, std::string type, std::string encoding) {
  return store::Artifact{.name = std::move(name),
                         .key = {},
                         .size = -1,
                         .type = std::move(type),
                         .encoding = std::move(encoding),
                         .extra = R"({"source": "metaflow"})"};
}

/// Reads from `blobs`, or from `origin` what `blobs` lacks.
template <class F>
auto first_of(store::BlobStore& blobs, store::BlobStore* origin, F read) {
  auto found = read(blobs);
  if (!found && found.error().kind == Kind::missing && origin) return read(*origin);
  return found;
}

Error unknown_stream(std::uint64_t stream) {
  return Error{.kind = Kind::misuse, .what = fmt::format("stream {} is not open for writing", stream)};
}

}  // namespace

Channel::Answer Channel::on(wire::LoadRequest request, std::string) {
  if (!codec::is_sha1_hex(request.key.str())) {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("`{}` is no key of a stored artifact", request.key.str()),
                    .where = fmt::format("artifact `{}` of {}", request.name, request.path)};
  }
  const Services& services = session_.services_;
  store::BlobUse use{.name = request.name, .path = request.path};
  bool whole = request.size >= 0 && request.size < kStreamBytesMin;
  if (whole) {
    if (auto known = services.small_blobs.get(request.key)) {
      co_return Reply{.body = wire::ok_body(), .payload = *known, .text = {}};
    }
    auto bytes_work = [&blobs = services.blobs, origin = services.origin_blobs, key = request.key, use] {
      return first_of(blobs, origin, [&](store::BlobStore& from) { return from.get(key, use); });
    };
    auto bytes = co_await services.pool.run(bytes_work);
    if (!bytes) co_return std::move(bytes).error();
    services.small_blobs.put(request.key, *bytes);
    co_return Reply{.body = wire::ok_body(), .payload = std::move(*bytes), .text = {}};
  }
  auto reader_work = [&blobs = services.blobs, origin = services.origin_blobs, key = request.key, use] {
    return first_of(blobs, origin, [&](store::BlobStore& from) { return from.reader(key, use); });
  };
  auto reader = co_await services.pool.run(reader_work);
  if (!reader) co_return std::move(reader).error();
  auto id = streams_.add(std::make_shared<store::BlobStream>(std::move(*reader)));
  if (!id) co_return std::move(id).error();
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["stream"] = *id;
  co_return reply;
}

Channel::Answer Channel::on(wire::ReadRequest request, std::string) {
  auto stream = streams_.find(request.stream);
  if (!stream) co_return std::move(stream).error();
  auto piece_work = [stream = *stream, request, pid = pid_] {
    return request.address ? stream->read_into(request.length, pid, *request.address) : stream->read(request.length);
  };
  auto piece = co_await session_.services_.pool.run(piece_work);
  if (!piece || piece->length == 0) static_cast<void>(streams_.take(request.stream));  // the end, or damage: nobody closes it
  if (!piece) co_return std::move(piece).error();
  Reply reply{.body = wire::ok_body(), .payload = std::move(piece->bytes), .text = {}};
  reply.body["length"] = piece->length;
  if (piece->in_place) reply.body["in_place"] = true;
  co_return reply;
}

Channel::Answer Channel::on(wire::CloseRequest request, std::string) {
  auto stream = streams_.take(request.stream);
  if (!stream) co_return std::move(stream).error();
  saving_.erase(request.stream);
  co_return Reply{.body = wire::ok_body(), .payload = {}, .text = {}};
}

Channel::Answer Channel::on(wire::SaveRequest request, std::string payload) {
  if (session_.finishing_) co_return Error{.kind = Kind::misuse, .what = "the attempt has finished: nothing more can be saved"};
  std::vector<std::uint64_t> sizes;
  std::uint64_t total = 0;
  for (const wire::ArtifactToSave& each : request.artifacts) {
    sizes.push_back(each.size);
    if (each.size > payload.size() - total) total = payload.size() + 1;
    if (total > payload.size()) break;
    total += each.size;
  }
  if (total != payload.size()) {
    co_return Error{.kind = Kind::misuse, .what = "`save` announces sizes that do not add up to its payload"};
  }
  auto keys_work = [&blobs = session_.services_.blobs, sizes, payload = std::move(payload)]() -> Result<std::vector<BlobKey>> {
        std::vector<BlobKey> stored;
        std::size_t at = 0;
        for (std::uint64_t size : sizes) {
          stored.push_back(HR_TRY(blobs.put(std::string_view(payload).substr(at, size))));
          at += size;
        }
        return stored;
      };
  auto keys = co_await session_.services_.pool.run(keys_work);
  if (!keys) co_return std::move(keys).error().at("saving artifacts of " + session_.assignment_.path.task.str());
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["keys"] = codec::Json::array();
  for (std::size_t i = 0; i < keys->size(); ++i) {
    wire::ArtifactToSave& each = request.artifacts[i];
    store::Artifact saved = artifact(std::move(each.name), std::move(each.type), std::move(each.encoding));
    saved.key = (*keys)[i];
    saved.size = static_cast<std::int64_t>(sizes[i]);
    reply.body["keys"].push_back(saved.key.str());
    session_.saved_.push_back(std::move(saved));
  }
  co_return reply;
}

Channel::Answer Channel::on(wire::SaveOpenRequest request, std::string) {
  if (session_.finishing_) co_return Error{.kind = Kind::misuse, .what = "the attempt has finished: nothing more can be saved"};
  auto writer_work = [&blobs = session_.services_.blobs] { return blobs.writer(); };
  auto writer = co_await session_.services_.pool.run(writer_work);
  if (!writer) co_return std::move(writer).error();
  auto id = streams_.add(std::make_shared<store::BlobStream>(std::move(*writer)));
  if (!id) co_return std::move(id).error();
  saving_.emplace(*id, artifact(std::move(request.name), std::move(request.type), std::move(request.encoding)));
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["stream"] = *id;
  co_return reply;
}

Channel::Answer Channel::on(wire::WriteRequest request, std::string payload) {
  auto stream = streams_.find(request.stream);
  if (!stream) co_return std::move(stream).error();
  auto saved = saving_.find(request.stream);
  if (saved == saving_.end()) co_return unknown_stream(request.stream);
  std::string name = saved->second.name;
  auto written_work = [stream = *stream, request, pid = pid_, payload = std::move(payload)] {
    return request.address ? stream->write_from(request.length, pid, *request.address) : stream->write(payload);
  };
  auto written = co_await session_.services_.pool.run(written_work);
  if (!written) {
    if (written.error().kind == Kind::retry) co_return std::move(written).error();
    co_return std::move(written).error().at(fmt::format("saving artifact `{}` of {}", name, session_.assignment_.path.task.str()));
  }
  co_return Reply{.body = wire::ok_body(), .payload = {}, .text = {}};
}

Channel::Answer Channel::on(wire::SaveCloseRequest request, std::string) {
  auto saved = saving_.find(request.stream);
  if (saved == saving_.end()) co_return unknown_stream(request.stream);
  store::Artifact done = std::move(saved->second);
  saving_.erase(saved);
  auto stream = streams_.take(request.stream);
  if (!stream) co_return std::move(stream).error();
  auto blob_work = [stream = *stream] { return stream->commit(); };
  auto blob = co_await session_.services_.pool.run(blob_work);
  if (!blob) {
    co_return std::move(blob).error().at(fmt::format("saving artifact `{}` of {}", done.name, session_.assignment_.path.task.str()));
  }
  if (session_.finishing_) co_return Error{.kind = Kind::misuse, .what = "the attempt has finished: nothing more can be saved"};
  done.key = blob->key;
  done.size = static_cast<std::int64_t>(blob->size);
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  reply.body["key"] = done.key.str();
  reply.body["size"] = blob->size;
  session_.saved_.push_back(std::move(done));
  co_return reply;
}

}  // namespace headrace::attempt
