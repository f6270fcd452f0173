#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

// Objects into files. One request brings most; a larger one comes in pieces side by side. Each byte goes from the socket to its place in
// the file. What S3 tells of the whole is compared with what came.
namespace headrace::s3 {
namespace {

/// Of a range that is no larger, or whose end is not known, the beginning comes in memory, in one request.
constexpr std::uint64_t kInMemoryMax = 1 << 20;

/// A file's content as memory, for as long as this lives.
class Mapped {
 public:
  Mapped(int fd, std::uint64_t size) : size_(size), at_(size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0)) {}
  ~Mapped() {
    if (at_ != nullptr && at_ != MAP_FAILED) ::munmap(at_, size_);
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
  Download(CrtClient& client, const Address& address, int fd) : client_(client), address_(address), fd_(fd), file_(fd) {}

  Result<Came> whole() {
    std::optional<Md5Together::Expected> md5{client_.md5()};
    const Answer told = HR_TRY(client_.get_whole(address_, &file_));
    info_ = info_of(told);
    const auto given = client_.settings().checksums ? given_crc(told) : std::nullopt;
    if (told.too_large) {
      md5.reset();  // nobody waits for it meanwhile
      std::optional<CrcKind> kind;
      if (given) kind = given->kind;
      HR_TRY(pieces({.from = 0, .length = info_.size, .to = {.file = &file_, .at = 0, .crc = kind}}));
      if (replaced_) return Came::replaced;
      if (given) return crc_text(joined_crc(given->kind)) == given->text ? Came::whole : Came::altered;
      md5.emplace(client_.md5());
    } else {
      info_.size = told.received;
      if (given) return Came::whole;  // compared as it came
    }
    const Mapped file{fd_, info_.size};
    const auto bytes = file.bytes();
    if (!bytes) return system_error(errno, fmt::format("cannot check `{}`", address_.str()));
    return check_digest(*bytes, told) != Checked::differs && fits_etag(*bytes, told, *md5) ? Came::whole : Came::altered;
  }

  /// To the file's beginning. S3 tells no checksum of a part. Whether it could be written, `file_error` tells.
  Result<Came> part(const Range& range) {
    const std::uint64_t first_most = std::min(range.length.value_or(kInMemoryMax), kInMemoryMax);
    const Object first = HR_TRY(client_.get(address_, Range{.offset = range.offset, .length = first_most, .suffix = false}));
    info_ = first.info;
    const std::uint64_t left = info_.size - std::min(range.offset, info_.size);
    const std::uint64_t wanted = std::min(range.length.value_or(left), left);
    const std::uint64_t done = first.bytes.size();
    if (done < wanted && wanted == info_.size) return whole();
    const bool written = file_.write(first.bytes, 0) == 0;
    if (written && done < wanted) HR_TRY(pieces({.from = range.offset + done, .length = wanted - done, .to = {.file = &file_, .at = done, .crc = {}}}));
    length_ = wanted;
    return replaced_ ? Came::replaced : Came::whole;
  }

  [[nodiscard]] const Info& info() const { return info_; }
  /// Of what was brought.
  [[nodiscard]] std::uint64_t length() const { return length_.value_or(info_.size); }
  /// errno of writing the file, all of which is there when this returns 0.
  [[nodiscard]] int file_error() { return file_.flush(); }

 private:
  /// By several requests side by side; none more is begun when there is another version by now (`replaced_`).
  Result<void> pieces(const CrtClient::Piece& all) {
    const std::uint64_t count = (all.length + CrtClient::kPiece - 1) / CrtClient::kPiece;
    crcs_.assign(count, Crc{});
    return together(count, client_.side_by_side(count), [&](std::size_t i) -> Result<void> {
      if (replaced_) return {};
      const std::uint64_t done = i * CrtClient::kPiece;
      CrtClient::Piece piece{.from = all.from + done, .length = std::min(CrtClient::kPiece, all.length - done), .to = all.to};
      piece.to.at += done;
      const std::optional<Answer> got = HR_TRY(client_.get_piece(address_, piece, info_, client_.running()));
      if (got) crcs_[i] = got->received_crc;
      else replaced_ = true;
      return {};
    });
  }

  [[nodiscard]] Crc joined_crc(CrcKind kind) const {
    Crc whole{.kind = kind};
    for (const Crc& crc : crcs_) whole.append(crc);
    return whole;
  }

  CrtClient& client_;
  const Address& address_;
  const int fd_;
  FileWriter file_;
  Info info_;
  std::optional<std::uint64_t> length_;  ///< of a part
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

/// Into a file, over what it has. No byte of it is changed before S3 has answered.
class Target {
 public:
  explicit Target(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    struct stat about {};
    if (fd_ < 0 || ::fstat(fd_, &about) != 0) error_ = errno;
    is_file_ = error_ == 0 && S_ISREG(about.st_mode);
  }
  ~Target() {
    if (fd_ >= 0) ::close(fd_);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Result<Info> bring(CrtClient& client, const Address& address, const std::optional<Range>& range) {
    if (error_ != 0) return cannot_write(error_);
    for (int attempt = 0;; ++attempt) {
      Download download{client, address, fd_};
      const Result<Came> came = range ? download.part(*range) : download.whole();
      if (const int code = download.file_error(); code != 0) return cannot_write(code);
      if (!came) return came.error();
      if (*came == Came::whole) return finished(download.info(), download.length());
      if (attempt == 0) continue;
      return damaged(address, *came == Came::replaced ? "it was replaced while it was read, twice in a row"
                                                      : "what came is not what was stored: another checksum, twice in a row");
    }
  }

  /// The last bytes of an object, as many as are held in memory.
  Result<Info> bring_end(CrtClient& client, const Address& address, const Range& range) {
    if (error_ != 0) return cannot_write(error_);
    Object object = HR_TRY(client.get(address, range));
    if (const int code = write_all_at(fd_, object.bytes, 0); code != 0) return cannot_write(code);
    return finished(std::move(object.info), object.bytes.size());
  }

  /// What is no file, such as a device, stays.
  void remove() const {
    if (is_file_) ::unlink(path_.c_str());
  }

 private:
  /// What was there before, or came of a longer version in a try before, goes.
  Result<Info> finished(Info info, std::uint64_t length) {
    if (is_file_ && ::lseek(fd_, 0, SEEK_END) > static_cast<off_t>(length) && ::ftruncate(fd_, static_cast<off_t>(length)) != 0) {
      return cannot_write(errno);
    }
    if (::close(std::exchange(fd_, -1)) != 0) return cannot_write(errno);
    return info;
  }
  [[nodiscard]] Error cannot_write(int code) const { return system_error(code, fmt::format("cannot write `{}`", path_)); }

  const std::string& path_;
  int fd_;
  bool is_file_ = false;
  int error_ = 0;
};

}  // namespace

Result<Info> download(CrtClient& client, const Address& address, const std::string& path, const std::optional<Range>& asked) {
  std::optional<Range> range = asked;
  if (range && range->suffix && range->length.value_or(0) > kInMemoryMax) range = HR_TRY(placed(client, address, *range));
  Target target{path};
  Result<Info> came = range && range->suffix ? target.bring_end(client, address, *range) : target.bring(client, address, range);
  if (!came) target.remove();
  return came;
}

}  // namespace headrace::s3
