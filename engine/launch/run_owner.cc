#include "launch/run_owner.h"

#include <algorithm>

#include <fmt/format.h>

#include "codec/json_path.h"
#include "codec/timestamp.h"

namespace headrace::launch {

namespace {

using codec::Json;
using codec::text_at;

constexpr std::size_t kKeyDigits = 16;
constexpr Duration kDeletionPause = 500ms;
constexpr int kDeletionLooksMax = 60;
/// A run does not wait for long to remove what the lease removes anyway.
constexpr Duration kRemovalMax = 60s;

std::int64_t whole_seconds(Duration duration) { return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(duration).count()); }

}  // namespace

std::string owner_name(const RunName& run) { return "hr-run-" + run_key(run).substr(0, kKeyDigits); }

codec::Json owner_manifest(const RunName& run, const std::string& ns, Duration lease) {
  Json labels{{"app.kubernetes.io/name", "headrace-run"}, {"app.kubernetes.io/part-of", "metaflow"}, {kRunLabel, run_key(run)}};
  Json annotations{{"metaflow/flow_name", run.flow}, {"metaflow/run_id", run.run}, {"metaflow/user", run.user}};
  // Never started: the Job wants no pod.
  Json container{{"name", "none"}, {"image", "none"}};
  Json pod{{"restartPolicy", "Never"}, {"containers", Json::array({container})}};
  Json spec{{"parallelism", 0},
            {"backoffLimit", 0},
            {"activeDeadlineSeconds", whole_seconds(lease)},
            {"ttlSecondsAfterFinished", 0},
            {"template", {{"spec", pod}}}};
  return Json{{"apiVersion", "batch/v1"},
              {"kind", "Job"},
              {"metadata", {{"name", owner_name(run)}, {"namespace", ns}, {"labels", labels}, {"annotations", annotations}}},
              {"spec", spec}};
}

RunOwner::RunOwner(loop::EventLoop& loop, kube::Client& client, RunName run, std::string ns, Duration lease)
    : loop_(loop), client_(client), run_(std::move(run)), namespace_(std::move(ns)), lease_(lease) {}

std::string RunOwner::path() const { return fmt::format("/apis/batch/v1/namespaces/{}/jobs", namespace_); }

void RunOwner::take(const codec::Json& job) {
  owner_ = Owner{.name = text_at(job, {"metadata", "name"}), .uid = text_at(job, {"metadata", "uid"})};
  Duration age{0};
  // One that was there already: its clock has run for a while.
  if (auto since = codec::from_iso(text_at(job, {"status", "startTime"}))) age = std::max<Duration>(Duration{0}, loop_.wall_now() - *since);
  started_ = loop_.uptime() - age;
}

loop::Async<Result<void>> RunOwner::ensure() {
  const std::string place = fmt::format("the run's owner object in namespace {}", namespace_);
  for (int look = 0; look < kDeletionLooksMax; ++look) {
    kube::Call create;
    create.method = "POST";
    create.path = path();
    create.body = owner_manifest(run_, namespace_, lease_);
    auto answer = co_await client_.call(create);
    if (!answer) co_return std::move(answer).error().at(place);
    if (answer->ok()) {
      take(answer->body);
      co_return Result<void>{};
    }
    if (answer->reason() != "AlreadyExists") co_return kube::refusal(create, *answer, client_.access()).at(place);

    kube::Call get;
    get.path = path() + "/" + owner_name(run_);
    auto found = co_await client_.call(get);
    if (!found) co_return std::move(found).error().at(place);
    if (!found->ok() && found->status != 404) co_return kube::refusal(get, *found, client_.access()).at(place);
    if (found->ok() && text_at(found->body, {"metadata", "deletionTimestamp"}).empty()) {
      take(found->body);
      auto renewed = co_await renew();
      co_return renewed;
    }
    co_await loop_.sleep_for(kDeletionPause);
  }
  co_return Error{.kind = Kind::failed,
                  .what = fmt::format("the run's owner object `{}` is being deleted, and does not go away", owner_name(run_)),
                  .where = fmt::format("namespace {}", namespace_),
                  .next = fmt::format("look at it: kubectl -n {} get job {} -o yaml", namespace_, owner_name(run_))};
}

loop::Async<Result<void>> RunOwner::renew(Duration lease) {
  kube::Call patch;
  patch.method = "PATCH";
  patch.path = path() + "/" + owner_.name;
  patch.content_type = kube::kMergePatch;
  patch.body = Json{{"spec", {{"activeDeadlineSeconds", whole_seconds(loop_.uptime() - started_ + lease)}}}};
  auto answer = co_await client_.call(patch);
  if (!answer) co_return std::move(answer).error();
  if (!answer->ok()) co_return kube::refusal(patch, *answer, client_.access());
  co_return Result<void>{};
}

loop::Async<Result<void>> RunOwner::remove() {
  kube::Call remove;
  remove.method = "DELETE";
  remove.path = path() + "/" + owner_.name;
  // Without it, the API server leaves a Job's dependents as orphans.
  remove.body = Json{{"propagationPolicy", "Background"}};
  remove.deadline = kRemovalMax;
  auto answer = co_await client_.call(remove);
  if (!answer) co_return std::move(answer).error();
  if (!answer->ok() && answer->status != 404) co_return kube::refusal(remove, *answer, client_.access());
  co_return Result<void>{};
}

}  // namespace headrace::launch
