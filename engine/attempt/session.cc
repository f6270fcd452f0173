#include "attempt/session.h"

#include <sys/socket.h>

#include <fmt/format.h>

#include <utility>

#include "attempt/channel.h"
#include "attempt/small_artifacts.h"
#include "store/manifest.h"

namespace headrace::attempt {

namespace {

/// The process that made the socket, as the kernel knows it; -1 if it does not.
pid_t maker_of(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : -1;
}

}  // namespace

Session::Session(Services services, Assignment assignment, Workers* workers)
    : services_(services),
      assignment_(std::move(assignment)),
      workers_(workers),
      channels_(services.loop),
      begin_lock_(services.loop) {}

Session::~Session() = default;

loop::Async<void> Session::serve(loop::DatagramSocket door) {
  door_ = std::make_unique<loop::DatagramSocket>(std::move(door));
  while (!stopped_) {
    auto datagram = co_await door_->receive();
    if (!datagram) {
      if (datagram.error().kind == Kind::missing || stopped_) break;
      continue;
    }
    // A connect without its socket, or one too many, is dropped: the asking end sees its channel close.
    if (datagram->fds.size() != 1 || open_.size() >= kChannelsMax) continue;
    pid_t pid = maker_of(datagram->fds[0].get());
    channels_.spawn(serve_channel(std::move(datagram->fds[0]), pid));
  }
  co_await channels_.wait();
}

loop::Async<void> Session::serve_channel(loop::UniqueFd fd, pid_t pid) {
  if (stopped_) co_return;
  Channel channel(*this, loop::StreamSocket(services_.loop, std::move(fd)), pid);
  open_.insert(&channel);
  co_await channel.serve();
  open_.erase(&channel);
}

void Session::stop() {
  stopped_ = true;
  if (door_) door_->close();
  for (Channel* channel : open_) channel->close();
}

loop::Async<Result<void>> Session::ensure_begun() {
  auto guard = co_await begin_lock_.acquire();
  if (begun_) co_return Result<void>{};
  auto begin_work = [&records = services_.records, path = assignment_.path, &fields = services_.facts.fields,
                     now = services_.loop.wall_now()] { return records.begin(path, fields, now); };
  auto stored = co_await services_.pool.run(begin_work);
  if (!stored) co_return noted(std::move(stored).error().at("beginning " + assignment_.path.task.str()));
  begun_ = true;
  co_return Result<void>{};
}

loop::Async<Result<ManifestPtr>> Session::input_manifest(std::optional<std::uint64_t> index) {
  if (index && *index >= assignment_.inputs.size()) {
    co_return Error{.kind = Kind::misuse,
                    .what = fmt::format("the task has {} inputs; number {} was asked for", assignment_.inputs.size(), *index)};
  }
  co_return co_await services_.manifests.get(index ? assignment_.inputs[*index] : assignment_.parameters);
}

loop::Async<Result<void>> Session::commit(wire::FinishRequest request, std::string payload) {
  if (finishing_) co_return Error{.kind = Kind::misuse, .what = "the attempt has finished already"};
  auto fits = check_sizes(request.artifacts, payload.size());
  if (!fits) co_return std::move(fits).error();
  auto begun = co_await ensure_begun();
  if (!begun) co_return std::move(begun).error();
  finishing_ = true;

  auto made = std::make_shared<CachedManifest>();
  store::Manifest& manifest = made->manifest;
  manifest.datastore = services_.facts.identity.datastore_type;
  manifest.attempt = assignment_.path.attempt;
  manifest.python_version = services_.facts.sys_version;
  for (wire::Inherit& inherit : request.inherit) {
    auto from = co_await input_manifest(inherit.from);
    if (!from) {
      finishing_ = false;
      co_return std::move(from).error();
    }
    const auto artifacts = (*from)->manifest.by_name();
    std::vector<store::Artifact> inherited;
    for (const std::string& name : inherit.names) {
      const auto artifact = artifacts.find(name);
      if (artifact == artifacts.end()) {
        finishing_ = false;
        co_return Error{.kind = Kind::misuse, .what = fmt::format("the input has no artifact `{}` to inherit", name)};
      }
      inherited.push_back(*artifact->second);
    }
    manifest.set_all(std::move(inherited));
  }
  manifest.set_all(std::exchange(saved_, {}));

  const auto pickles = std::make_shared<const std::string>(std::move(payload));
  auto commit_work = [&records = services_.records, &blobs = services_.blobs, path = assignment_.path, made,
                      last = std::move(request.artifacts), pickles, ok = request.ok,
                      now = services_.loop.wall_now()]() -> Result<std::vector<store::Artifact>> {
    std::vector<store::Artifact> artifacts = HR_TRY(store_small(blobs, last, *pickles));
    made->manifest.set_all(artifacts);
    HR_TRY(records.finish(path, made->manifest, ok, {}, now));
    return artifacts;
  };
  auto stored = co_await services_.pool.run(commit_work);
  if (!stored) co_return std::move(stored).error().at("committing " + assignment_.path.task.str());
  keep_small(services_.small_blobs, *stored, *pickles);
  services_.manifests.put(assignment_.path.task, made);
  Committed committed{.ok = request.ok, .has_transition = request.transition.has_value(), .next = {}, .splits = {}};
  if (request.transition) {
    committed.next = std::move(request.transition->next);
    committed.splits = request.transition->splits;
  }
  committed_ = std::move(committed);
  co_return Result<void>{};
}

Error Session::noted(Error error) {
  if (!trouble_ && error.kind != Kind::misuse && error.kind != Kind::retry) trouble_ = error;
  return error;
}

}  // namespace headrace::attempt
