#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "base/together.h"
#include "s3/checksum.h"
#include "s3/client_impl.h"
#include "s3/etag.h"

// Objects into files. The first request brings the beginning, which of most objects is all; of a larger one the rest comes in pieces
// side by side, each written to its place as it comes. What S3 tells of the whole is compared with what came.
namespace headrace::s3 {
namespace {

/// What is no larger is held in memory: many threads do that at a time.
constexpr std::uint64_t kInMemoryMax = CrtClient::kFirstPiece;

Result<void> write_whole_file(const std::string& path, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int code = fd < 0 ? errno : write_all(fd, bytes);
  if (fd >= 0 && ::close(fd) != 0 && code == 0) code = errno;
  if (code == 0) return {};
  ::unlink(path.c_str());
  return system_error(code, fmt::format("cannot write `{}`", path));
}

/// A file's content as memory, for as long as this lives.
class Mapped {
 public:
  explicit Mapped(int fd, std::uint64_t size) : size_(size), at_(::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0)) {}
  ~Mapped() {
    if (at_ != MAP_FAILED) ::munmap(at_, size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  /// nullopt, with errno set, when it could not be mapped.
  [[nodiscard]] std::optional<std::string_view> bytes() const {
    return at_ == MAP_FAILED ? std::nullopt : std::optional{std::string_view{static_cast<const char*>(at_), size_}};
  }

 private:
  std::uint64_t size_;
  void* at_;
};

/// How one try to bring an object ended.
enum class Came { whole, replaced, altered };

/// One object on its way into a file that is open for reading and writing.
class Download {
 public:
  Download(CrtClient& client, const Address& address, const Object& first, int fd)
      : client_(client), address_(address), first_(first), fd_(fd) {}

  /// Bytes `from` to `from + length` of the object, to the place `at` of the file.
  Result<Came> part(std::uint64_t from, std::uint64_t length, std::uint64_t at) {
    HR_TRY(pieces({.from = from, .length = length, .fd = fd_, .at = at, .crc = {}}));
    return replaced_ ? Came::replaced : Came::whole;
  }

  /// All that follows the first piece; the whole is compared with what S3 tells of it.
  Result<Came> rest() {
    const std::string doing = fmt::format("look at `{}`", address_.str());
    Request request = client_.request("HEAD", address_, "");
    request.headers.emplace_back("If-Match", first_.info.etag);
    request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
    const Answer told = HR_TRY(client_.ask(request, address_.bucket, doing));
    if (judge(told) == Verdict::condition || judge(told) == Verdict::missing) return Came::replaced;
    if (judge(told) != Verdict::good) return client_.error_for(told, doing, address_.bucket);
    const std::optional<GivenCrc> given = client_.settings().checksums ? given_crc(told) : std::nullopt;
    const std::uint64_t begins = first_.bytes.size();
    CrtClient::Piece all{.from = begins, .length = first_.info.size - begins, .fd = fd_, .at = begins, .crc = {}};
    if (given) all.crc = given->kind;
    HR_TRY(pieces(all));
    if (replaced_) return Came::replaced;
    if (given) return crc_text(joined_crc(given->kind)) == given->text ? Came::whole : Came::altered;
    const Mapped file{fd_, first_.info.size};
    const auto bytes = file.bytes();
    if (!bytes) return system_error(errno, fmt::format("cannot check `{}`", address_.str()));
    return is_md5(*bytes, told) ? Came::whole : Came::altered;
  }

 private:
  /// By several requests side by side; none more is begun when there is another version by now (`replaced_`).
  Result<void> pieces(const CrtClient::Piece& all) {
    const std::uint64_t count = (all.length + CrtClient::kPiece - 1) / CrtClient::kPiece;
    crcs_.assign(count, Crc{});
    return together(count, client_.side_by_side(count), [&](std::size_t i) -> Result<void> {
      if (replaced_) return {};
      const std::uint64_t done = i * CrtClient::kPiece;
      const CrtClient::Piece piece{.from = all.from + done, .length = std::min(CrtClient::kPiece, all.length - done), .fd = all.fd,
                                   .at = all.at + done, .crc = all.crc};
      const std::optional<Answer> got = HR_TRY(client_.get_piece(address_, piece, first_.info.etag, client_.running()));
      if (got) crcs_[i] = got->received_crc;
      else replaced_ = true;
      return {};
    });
  }

  /// Of what S3 tells, the etag alone: its other checksums cannot be joined from those of pieces.
  [[nodiscard]] bool is_md5(std::string_view bytes, Answer told) const {
    std::erase_if(told.headers, [](const auto& header) { return header.first.starts_with("x-amz-checksum-"); });
    Md5Together::Expected md5{client_.md5()};
    return fits_etag(bytes, told, md5);
  }

  [[nodiscard]] Crc joined_crc(CrcKind kind) const {
    Crc whole = crc_of(kind, first_.bytes);
    for (const Crc& crc : crcs_) whole.append(crc);
    return whole;
  }

  CrtClient& client_;
  const Address& address_;
  const Object& first_;
  const int fd_;
  std::vector<Crc> crcs_;
  std::atomic<bool> replaced_{false};
};

/// Where the last bytes of an object begin.
Result<Range> placed(CrtClient& client, const Address& address, const Range& last) {
  const auto info = HR_TRY(client.head(address));
  if (!info) return last;
  const std::uint64_t length = std::min(last.length.value_or(0), info->size);
  return Range{.offset = info->size - length, .length = length, .suffix = false};
}

/// Into the file at `path`, which has the first bytes already.
Result<Came> bring_rest(CrtClient& client, const Address& address, const std::string& path, const Object& first,
                        const std::optional<Range>& range) {
  const std::uint64_t from = range ? range->offset : 0;
  const std::uint64_t left = first.info.size - std::min(from, first.info.size);
  const std::uint64_t wanted = range && range->length ? std::min(*range->length, left) : left;
  const std::uint64_t done = first.bytes.size();
  if (done >= wanted) return Came::whole;
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return system_error(errno, fmt::format("cannot write `{}`", path));
  Result<Came> came = [&] {
    Download download{client, address, first, fd};
    return wanted == first.info.size ? download.rest() : download.part(from + done, wanted - done, done);
  }();
  const int failed = ::close(fd) != 0 ? errno : 0;
  if (came.ok() && failed != 0) return system_error(failed, fmt::format("cannot write `{}`", path));
  return came;
}

}  // namespace

Result<Info> download(CrtClient& client, const Address& address, const std::string& path, const std::optional<Range>& asked) {
  std::optional<Range> range = asked;
  if (range && range->suffix && range->length.value_or(0) > kInMemoryMax) range = HR_TRY(placed(client, address, *range));
  if (range && (range->suffix || (range->length && *range->length <= kInMemoryMax))) {
    Object object = HR_TRY(client.get(address, range));
    HR_TRY(write_whole_file(path, object.bytes));
    return std::move(object.info);
  }
  const Range beginning{.offset = range ? range->offset : 0, .length = CrtClient::kFirstPiece, .suffix = false};
  for (int attempt = 0;; ++attempt) {
    Object first = range ? HR_TRY(client.get(address, beginning)) : HR_TRY(client.get_first(address));
    HR_TRY(write_whole_file(path, first.bytes));
    const Result<Came> came = bring_rest(client, address, path, first, range);
    if (came.ok() && *came == Came::whole) return std::move(first.info);
    if (!came || attempt > 0) ::unlink(path.c_str());
    if (!came) return came.error();
    if (attempt == 0) continue;
    return damaged(address, *came == Came::replaced ? "it was replaced while it was read, twice in a row"
                                                    : "what came is not what was stored: another checksum, twice in a row");
  }
}

}  // namespace headrace::s3
