#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/together.h"
#include "s3/checksum.h"
#include "s3/client_impl.h"
#include "s3/documents.h"

// Files into objects: in one request, or in parts side by side. Bytes are read when they are sent, and once before for their checksum.
namespace headrace::s3 {
namespace {

/// A file up to this size goes up in one request.
constexpr std::uint64_t kPartsMin = 16 << 20;
/// S3 takes no more parts of one object.
constexpr std::uint64_t kPartsMax = 10'000;
/// How long it is tried to take back what was begun.
constexpr Duration kAbortPatience = 5s;

/// One upload in parts: created, then parts from several threads, then completed, or taken back.
class Upload {
 public:
  Upload(CrtClient& client, const Address& address, const FilePart& file, const std::string& path, const PutOptions& options)
      : client_(client),
        address_(address),
        options_(options),
        doing_(fmt::format("write `{}`", address.str())),
        fd_(file.fd),
        size_(file.length),
        path_(path),
        part_size_(std::max(CrtClient::kPiece, (size_ + kPartsMax - 1) / kPartsMax)),
        parts_((size_ + part_size_ - 1) / part_size_),
        crcs_(parts_.size()) {}

  /// nullopt when S3 no longer knows of the upload: somebody, or a rule of the bucket, has taken it away.
  Result<std::optional<PutResult>> run() {
    HR_TRY(create());
    auto result = [&]() -> Result<std::optional<PutResult>> {
      HR_TRY(send_all());
      if (gone_) return std::optional<PutResult>{};
      return complete();
    }();
    const bool is_there = result.ok() && result->has_value() && (*result)->written;
    if (!is_there && !gone_) abort();
    return result;
  }

 private:
  [[nodiscard]] bool checked() const { return client_.settings().checksums; }
  [[nodiscard]] std::string of_upload() const { return "uploadId=" + escape_query(id_); }

  Result<void> create() {
    Request request = client_.request("POST", address_, "uploads=");
    request.headers.emplace_back("Content-Length", "0");
    mark_ = client_.add_object_headers(request, options_);
    if (checked()) {
      request.headers.emplace_back("x-amz-checksum-algorithm", "CRC32C");
      // Of the whole, so that who reads it in other pieces can compare.
      request.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    }
    const Answer answer = HR_TRY(client_.ask(request, address_.bucket, doing_));
    if (judge(answer) != Verdict::good) return client_.error_for(answer, doing_, address_.bucket);
    id_ = read_upload_id(answer.body);
    if (!id_.empty()) return {};
    return Error{.kind = Kind::failed, .what = "cannot " + doing_, .why = "S3 gave the upload no id",
                 .next = "check that the endpoint is a service with S3's interface"};
  }

  Result<void> send_all() {
    return together(parts_.size(), client_.side_by_side(parts_.size()), [this](std::size_t i) -> Result<void> {
      if (!gone_ && !HR_TRY(send(i))) gone_ = true;
      return {};
    });
  }

  /// False when S3 does not know the upload.
  Result<bool> send(std::size_t index) {
    const std::uint64_t from = index * part_size_;
    Request request = client_.request("PUT", address_, fmt::format("partNumber={}&{}", index + 1, of_upload()));
    request.send = {.fd = fd_, .from = from, .length = std::min(part_size_, size_ - from)};
    request.headers.emplace_back("Content-Length", std::to_string(request.send.length));
    if (checked()) {
      crcs_[index] = HR_TRY(crc_of(kSentCrc, request.send, path_));
      parts_[index].crc = crc_text(crcs_[index]);
      request.headers.emplace_back(header_of(kSentCrc), parts_[index].crc);
    }
    const Answer answer = HR_TRY(client_.ask(request, address_.bucket, doing_));
    if (is_gone(answer)) return false;
    if (judge(answer) != Verdict::good) return client_.error_for(answer, doing_, address_.bucket);
    parts_[index].etag = answer.header("etag");
    return true;
  }

  Result<std::optional<PutResult>> complete() {
    const std::string document = write_parts(parts_);
    Request request = client_.request("POST", address_, of_upload());
    request.headers.emplace_back("Content-Length", std::to_string(document.size()));
    request.headers.emplace_back("Content-Type", "application/xml");
    CrtClient::add_conditions(request, options_);
    std::string whole;
    if (checked()) {
      Crc crc{.kind = kSentCrc};
      for (const Crc& part : crcs_) crc.append(part);
      whole = crc_text(crc);
      request.headers.emplace_back(header_of(kSentCrc), whole);
      request.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    }
    request.body = document;
    const Answer answer = HR_TRY(client_.ask(request, address_.bucket, doing_));
    if (is_gone(answer)) {
      gone_ = true;
      return answer.lost > 0 ? look_for_own(whole) : std::optional<PutResult>{};
    }
    PutResult result = HR_TRY(client_.put_result(answer, address_, mark_));
    if (result.written && result.etag.empty()) result.etag = read_upload_etag(answer.body);
    return std::optional{std::move(result)};
  }

  /// After a try whose answer was lost, an unknown upload may be one that was completed: then its object is there.
  Result<std::optional<PutResult>> look_for_own(const std::string& whole) {
    Request request = client_.request("HEAD", address_, "");
    request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
    const Answer answer = HR_TRY(client_.ask(request, address_.bucket, doing_));
    if (judge(answer) != Verdict::good) return std::optional<PutResult>{};
    const bool same_mark = !mark_.empty() && client_.is_marked(answer, mark_);
    const bool same_bytes = mark_.empty() && !whole.empty() && answer.header(header_of(kSentCrc)) == whole &&
                            info_of(answer).size == size_;
    if (!same_mark && !same_bytes) return std::optional<PutResult>{};
    return std::optional{PutResult{.written = true, .etag = answer.header("etag")}};
  }

  /// What has come up of it costs storage until it is taken back.
  void abort() { client_.ask_at_end(client_.request("DELETE", address_, of_upload()), address_.bucket, kAbortPatience); }

  static bool is_gone(const Answer& answer) {
    return judge(answer) == Verdict::missing && read_error(answer.body).code == "NoSuchUpload";
  }

  CrtClient& client_;
  const Address& address_;
  const PutOptions& options_;
  const std::string doing_;
  const int fd_;
  const std::uint64_t size_;
  const std::string& path_;
  const std::uint64_t part_size_;
  std::vector<UploadedPart> parts_;
  std::vector<Crc> crcs_;
  std::string id_;
  std::string mark_;
  std::atomic<bool> gone_{false};  ///< S3 no longer knows of it
};

Error not_a_file(const std::string& path) {
  return Error{.kind = Kind::misuse, .what = fmt::format("cannot store `{}`", path), .why = "how long it is cannot be told beforehand",
               .next = "store a file: a copy of it"};
}

Result<PutResult> upload_parts(CrtClient& client, const Address& address, const FilePart& file, const std::string& path,
                               const PutOptions& options) {
  for (int attempt = 0;; ++attempt) {
    if (auto done = HR_TRY(Upload(client, address, file, path, options).run())) return *std::move(done);
    if (attempt == 0) continue;
    return Error{.kind = Kind::failed, .what = fmt::format("cannot write `{}`", address.str()),
                 .why = "S3 forgot the upload before it was complete, twice in a row (NoSuchUpload)",
                 .next = "check whether a rule of the bucket aborts uploads, or another program does"};
  }
}

/// A file that is not large, in one request.
Result<PutResult> upload_whole(CrtClient& client, const Address& address, const FilePart& file, const std::string& path,
                               const PutOptions& options) {
  Request request = client.request("PUT", address, "");
  request.send = file;
  const std::string mark = client.start_put(request, options, file.length);
  if (std::exchange(request.checksum, false)) {  // once, not at each try
    request.headers.emplace_back(header_of(kSentCrc), crc_text(HR_TRY(crc_of(kSentCrc, file, path))));
  }
  const Answer answer = HR_TRY(client.ask(request, address.bucket, fmt::format("write `{}`", address.str())));
  return client.put_result(answer, address, mark);
}

}  // namespace

Result<PutResult> upload(CrtClient& client, const Address& address, const std::string& path, const PutOptions& options) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, fmt::format("cannot store `{}`", path));
  Result<PutResult> result = [&]() -> Result<PutResult> {
    struct stat file {};
    if (::fstat(fd, &file) != 0) return system_error(errno, fmt::format("cannot store `{}`", path));
    const auto size = static_cast<std::uint64_t>(file.st_size);
    char byte = 0;
    if (!S_ISREG(file.st_mode) || (size == 0 && ::pread(fd, &byte, 1, 0) != 0)) return not_a_file(path);
    if (size >= kPartsMin) return upload_parts(client, address, {.fd = fd, .from = 0, .length = size}, path, options);
    return upload_whole(client, address, {.fd = fd, .from = 0, .length = size}, path, options);
  }();
  ::close(fd);
  return result;
}

}  // namespace headrace::s3
