// Artifacts on their way between a process and the blob store: small ones in one message, large ones in pieces.
#include <fmt/format.h>

#include <utility>

#include "attempt/channel.h"
#include "attempt/small_artifacts.h"
#include "codec/sha1.h"

namespace headrace::attempt {

namespace {

/// Artifacts that every task of a foreach, a recursion or a @parallel step loads before its user's code.
constexpr const char* kNeededAtStart[] = {"_foreach_stack",  "_foreach_values",    "_foreach_var",     "_foreach_num_splits",
                                          "_iteration_stack", "_unbounded_foreach", "_parallel_ubf_iter"};
constexpr std::int64_t kAheadBytesMax = 16 << 10;
/// Of what another task has asked for: an artifact's size, and how many bytes of them a task is given.
constexpr std::int64_t kSharedBytesMax = 2 << 10;
constexpr std::size_t kSharedBytesSum = 8 << 10;
/// Pickles of None, True, False and [] are not longer: the SDK knows them by their keys.
constexpr std::int64_t kWellKnownBytes = 5;

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

/// Whether the SDK takes this artifact's bytes as a pickle, and does not know them anyway.
bool can_go_ahead(const store::Artifact& artifact, std::int64_t bytes_max) {
  return artifact.size > kWellKnownBytes && artifact.size <= bytes_max && artifact.encoding == "pickle-v4" &&
         codec::is_sha1_hex(artifact.key.str());
}

}  // namespace

void Channel::Ahead::add(const BlobKey& key, const std::string& bytes) {
  if (!keys.insert(key).second) return;
  list += fmt::format("{}[\"{}\",{}]", list.empty() ? "" : ",", key.str(), bytes.size());
  payload += bytes;
}

void Channel::add_shared(const store::Manifest& manifest, Ahead& ahead) {
  std::size_t full = ahead.payload.size() + kSharedBytesSum;
  for (const store::Artifact& artifact : manifest.artifacts) {
    if (ahead.payload.size() >= full) return;
    if (!can_go_ahead(artifact, kSharedBytesMax)) continue;
    if (const std::string* bytes = session_.services_.small_blobs.get(artifact.key)) ahead.add(artifact.key, *bytes);
  }
}

loop::Async<Channel::Ahead> Channel::load_ahead(ManifestPtr manifest) {
  const Services& services = session_.services_;
  std::vector<BlobKey> wanted;
  for (const char* name : kNeededAtStart) {
    const store::Artifact* artifact = manifest->manifest.find(name);
    if (artifact && can_go_ahead(*artifact, kAheadBytesMax)) wanted.push_back(artifact->key);
  }
  Ahead ahead;
  for (const BlobKey& key : wanted) {
    const std::string* bytes = services.small_blobs.get(key);
    if (!bytes) {
      auto load_work = [&blobs = services.blobs, origin = services.origin_blobs, key] {
        return first_of(blobs, origin, [&](store::BlobStore& from) { return from.get(key); });
      };
      auto loaded = co_await services.pool.run(load_work);
      if (!loaded) continue;
      services.small_blobs.put(key, *loaded);
      bytes = services.small_blobs.get(key);
      if (!bytes) continue;
    }
    ahead.add(key, *bytes);
  }
  add_shared(manifest->manifest, ahead);
  co_return ahead;
}

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
  auto fits = check_sizes(request.artifacts, payload.size());
  if (!fits) co_return std::move(fits).error();
  const auto pickles = std::make_shared<const std::string>(std::move(payload));
  auto save_work = [&blobs = session_.services_.blobs, artifacts = std::move(request.artifacts), pickles] {
    return store_small(blobs, artifacts, *pickles);
  };
  auto stored = co_await session_.services_.pool.run(save_work);
  if (!stored) co_return std::move(stored).error().at("saving artifacts of " + session_.assignment_.path.task.str());
  Reply reply{.body = wire::ok_body(), .payload = {}, .text = {}};
  keep_small(session_.services_.small_blobs, *stored, *pickles);
  reply.body["keys"] = codec::Json::array();
  for (store::Artifact& saved : *stored) {
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
  saving_.emplace(*id, artifact_of(std::move(request.name), std::move(request.type), std::move(request.encoding)));
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
