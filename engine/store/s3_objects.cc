#include "store/s3_objects.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "store/blob_marker.h"
#include "store/object_key.h"

namespace headrace::store {
namespace {

/// What goes up in one request needs no file.
constexpr std::size_t kInMemoryMax = 8 << 20;

class S3Reader final : public ObjectReader {
 public:
  explicit S3Reader(std::unique_ptr<s3::Reader> reader) : reader_(std::move(reader)) {}

  Result<std::size_t> read(std::span<char> buffer) override { return reader_->read(buffer); }
  [[nodiscard]] std::uint64_t size() const override { return reader_->info().size; }

 private:
  std::unique_ptr<s3::Reader> reader_;
};

class S3Writer final : public ObjectWriter {
 public:
  S3Writer(s3::Client& client, s3::Address place) : client_(client), place_(std::move(place)) {}
  S3Writer(const S3Writer&) = delete;
  S3Writer& operator=(const S3Writer&) = delete;
  ~S3Writer() override {
    if (fd_ >= 0) ::close(fd_);
    if (!hidden_.empty()) ::unlink(hidden_.c_str());
  }

  Result<void> write(std::string_view bytes) override {
    if (fd_ < 0 && memory_.size() + bytes.size() <= kInMemoryMax) {
      memory_ += bytes;
      return {};
    }
    if (fd_ < 0) {
      HR_TRY(open_file());
      HR_TRY(write_file(memory_));
      memory_ = {};
    }
    return write_file(bytes);
  }

  Result<bool> commit_new(const std::string& key) override { return commit(key, {}); }

  Result<bool> commit_blob(Backend&, const std::string& key, BlobForm form) override {
    s3::PutOptions options;
    options.by_content = true;
    options.metadata[kUserAttributes] = blob_marker(form);
    return commit(key, std::move(options));
  }

 private:
  Result<bool> commit(const std::string& key, s3::PutOptions options) {
    if (!is_key(key)) return bad_key(key);
    options.if_none_match = true;
    const s3::Address address{.bucket = place_.bucket, .key = place_.key + key};
    const s3::PutResult put = HR_TRY(fd_ < 0 ? client_.put(address, memory_, options)
                                             : client_.put_file(address, fmt::format("/proc/self/fd/{}", fd_), options));
    return put.written;
  }

  Error disk_error(int code) const {
    Error error = system_error(code, "cannot keep an object on disk until it is stored in S3");
    error.where = folder_;
    error.next = "free space there, or set TMPDIR to a folder with room for the largest artifact";
    return error;
  }

  Result<void> open_file() {
    const char* folder = std::getenv("TMPDIR");
    folder_ = folder != nullptr && *folder != '\0' ? folder : "/tmp";
    fd_ = ::open(folder_.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd_ >= 0) return {};
    hidden_ = folder_ + "/.hr-object-XXXXXX";
    fd_ = ::mkostemp(hidden_.data(), O_CLOEXEC);
    if (fd_ >= 0) return {};
    hidden_.clear();
    return disk_error(errno);
  }

  Result<void> write_file(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return disk_error(errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }

  s3::Client& client_;
  const s3::Address place_;
  std::string memory_;
  std::string folder_;
  std::string hidden_;
  int fd_ = -1;
};

}  // namespace

std::unique_ptr<ObjectReader> make_s3_reader(std::unique_ptr<s3::Reader> reader) { return std::make_unique<S3Reader>(std::move(reader)); }

std::unique_ptr<ObjectWriter> make_s3_writer(s3::Client& client, s3::Address place) {
  return std::make_unique<S3Writer>(client, std::move(place));
}

}  // namespace headrace::store
