// The two ways in which an object can grow: a file at its end, any other object by being put again.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "store/backend.h"
#include "store/directory_backend.h"

namespace headrace::store {
namespace {

class FileAppender final : public ObjectAppender {
 public:
  /// `backend` makes the object when it has to come with its directories.
  FileAppender(DirectoryBackend& backend, std::string key) : backend_(backend), key_(std::move(key)), path_(backend.location(key_)) {}
  FileAppender(const FileAppender&) = delete;
  FileAppender& operator=(const FileAppender&) = delete;
  ~FileAppender() override {
    if (fd_ >= 0) ::close(fd_);
  }

  Result<void> append(std::string& bytes) override {
    if (bytes.empty() || !HR_TRY(opened())) return {};
    return write(bytes);
  }

  Result<void> finish(std::string& bytes) override {
    if (!HR_TRY(opened())) {
      HR_TRY(backend_.put_new(key_, ""));
      if (!HR_TRY(opened())) return failure(ENOENT);
    }
    return write(bytes);
  }

  [[nodiscard]] Duration pause() const override { return Duration::zero(); }

 private:
  [[nodiscard]] Error failure(int code) const { return system_error(code, fmt::format("cannot write `{}`", path_)); }

  /// False when the directory is not there yet.
  Result<bool> opened() {
    if (fd_ >= 0) return true;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ >= 0) return true;
    if (errno == ENOENT) return false;
    return failure(errno);
  }

  Result<void> write(std::string& bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t count = ::write(fd_, bytes.data() + written, bytes.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        const int code = errno;
        bytes.erase(0, written);
        return failure(code);
      }
      written += static_cast<std::size_t>(count);
    }
    bytes.clear();
    return {};
  }

  DirectoryBackend& backend_;
  std::string key_;
  std::string path_;
  int fd_ = -1;
};

/// Puts the object again with all it has, which begins with what an earlier process has left: a lost try of the same attempt.
class WholeAppender final : public ObjectAppender {
 public:
  WholeAppender(Backend& backend, std::string key) : backend_(backend), key_(std::move(key)) {}

  Result<void> append(std::string& bytes) override {
    if (bytes.empty()) return {};
    return put(bytes);
  }

  Result<void> finish(std::string& bytes) override {
    if (bytes.empty() && stored_) return {};
    return put(bytes);
  }

  /// Short tasks put their logs once, at the end; a large log at no more than 256 kB a second.
  [[nodiscard]] Duration pause() const override {
    constexpr Duration kPauseMin = 10s;
    constexpr std::uint64_t kBytesPerSecond = 256 << 10;
    return std::max<Duration>(kPauseMin, std::chrono::seconds(all_.size() / kBytesPerSecond));
  }

 private:
  Result<void> put(std::string& bytes) {
    if (stored_ || !HR_TRY(put_first(bytes))) HR_TRY(put_again(bytes));
    stored_ = true;
    bytes.clear();
    return {};
  }

  /// False if there is an object: `all_` has its bytes then.
  Result<bool> put_first(const std::string& bytes) {
    if (HR_TRY(backend_.put_new(key_, bytes))) {
      all_ = bytes;
      return true;
    }
    std::string before = HR_TRY(backend_.get(key_));
    // What `bytes` begins with anyway is of a put of ours that seemed to fail.
    if (!bytes.starts_with(before)) all_ = std::move(before);
    return false;
  }

  Result<void> put_again(const std::string& bytes) {
    const std::size_t before = all_.size();
    all_ += bytes;
    auto stored = backend_.put(key_, all_);
    if (!stored) all_.resize(before);
    return stored;
  }

  Backend& backend_;
  std::string key_;
  std::string all_;
  bool stored_ = false;
};

}  // namespace

std::unique_ptr<ObjectAppender> Backend::appender(const std::string& key) { return std::make_unique<WholeAppender>(*this, key); }

std::unique_ptr<ObjectAppender> DirectoryBackend::appender(const std::string& key) {
  return std::make_unique<FileAppender>(*this, key);
}

}  // namespace headrace::store
