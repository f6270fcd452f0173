#include "s3/md5_together.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <openssl/evp.h>

#include "codec/hex.h"
#include "codec/md5.h"

namespace headrace::s3 {
namespace {

/// Below this, waiting for others costs more than it saves.
constexpr std::size_t kTogetherMin = 16 << 10;
/// Fewer than these are computed one after the other: a lane alone is slower than libcrypto.
constexpr std::size_t kLanesMin = 3;

std::string md5_alone(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) != 1) return "";
  return codec::to_hex({digest, size});
}

std::vector<std::string> md5_of_each(const std::vector<std::string_view>& messages) {
  if (messages.size() >= kLanesMin) return codec::md5_hex(messages);
  std::vector<std::string> found;
  for (const std::string_view message : messages) found.push_back(md5_alone(message));
  return found;
}

}  // namespace

Md5Together::Md5Together(unsigned at_once) : at_once_(std::max(at_once, 1U)) {}

Md5Together::Expected::Expected(Md5Together& together) : together_(together) {
  const std::lock_guard lock{together_.mutex_};
  ++together_.away_;
}

Md5Together::Expected::~Expected() { leave(); }

void Md5Together::Expected::leave() {
  if (!std::exchange(away_, false)) return;
  const std::lock_guard lock{together_.mutex_};
  --together_.away_;
  together_.gathered_.notify_all();
}

std::string Md5Together::Expected::hex(std::string_view bytes) {
  if (bytes.size() >= kTogetherMin) {
    away_ = false;
    return together_.wait_for(bytes);
  }
  leave();
  return md5_alone(bytes);
}

std::string Md5Together::wait_for(std::string_view bytes) {
  Job job{.bytes = bytes};
  std::unique_lock lock{mutex_};
  --away_;
  waiting_.push_back(&job);
  gathered_.notify_all();
  appoint(nullptr);
  while (!job.done) {
    if (job.leads) lead(lock, job);
    else job.changed.wait(lock);
  }
  return std::move(job.hex);
}

void Md5Together::appoint(const Job* busy) {
  if (gathering_ || computing_ >= at_once_) return;
  const auto free = std::find_if(waiting_.begin(), waiting_.end(), [&](const Job* job) { return job != busy; });
  if (free == waiting_.end()) return;
  gathering_ = true;
  (*free)->leads = true;
  (*free)->changed.notify_one();
}

/// For those that have waited longest, as many as go side by side; `job` itself may have to wait for another turn.
void Md5Together::lead(std::unique_lock<std::mutex>& lock, Job& job) {
  gathered_.wait_for(lock, kGather, [this] { return waiting_.size() >= codec::kMd5Lanes || away_ == 0; });
  const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), codec::kMd5Lanes));
  const std::vector<Job*> jobs(waiting_.begin(), waiting_.begin() + count);
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  job.leads = gathering_ = false;
  ++computing_;
  appoint(&job);
  lock.unlock();
  std::vector<std::string_view> messages;
  for (const Job* each : jobs) messages.push_back(each->bytes);
  std::vector<std::string> found = md5_of_each(messages);
  lock.lock();
  --computing_;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->hex = std::move(found[i]);
    jobs[i]->done = true;
    jobs[i]->changed.notify_one();
  }
  appoint(nullptr);
}

}  // namespace headrace::s3
