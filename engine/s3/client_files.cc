#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "s3/checksum.h"
#include "s3/client_impl.h"

// Objects into files and files into objects.
namespace headrace::s3 {
namespace {

/// A file up to this size goes up in one request.
constexpr std::uint64_t kPartsMin = 16 << 20;
/// What is no larger is held in memory: many threads do that at a time.
constexpr std::uint64_t kInMemoryMax = 1 << 20;
/// What comes down in one request, of an object that takes several.
constexpr std::uint64_t kPiece = 8 << 20;
/// What one connection to S3 moves, as a rule: as many requests side by side for one object as it takes to be as fast as is wanted.
constexpr double kConnectionGbps = 0.625;
constexpr double kPiecesAtOnceMax = 64;

Result<std::string> read_whole_file(const std::string& path, std::uint64_t size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, fmt::format("cannot read `{}`", path));
  std::string bytes(size, '\0');
  std::size_t used = 0;
  int code = 0;
  while (used < bytes.size()) {
    const ssize_t n = ::pread(fd, bytes.data() + used, bytes.size() - used, static_cast<off_t>(used));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) code = errno;
    if (n <= 0) break;
    used += static_cast<std::size_t>(n);
  }
  ::close(fd);
  if (code != 0) return system_error(code, fmt::format("cannot read `{}`", path));
  if (used != size) return Error{.kind = Kind::failed, .what = fmt::format("cannot store `{}`", path), .why = "it became shorter meanwhile"};
  return bytes;
}

Result<void> write_whole_file(const std::string& path, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int code = fd < 0 ? errno : write_all(fd, bytes);
  if (fd >= 0 && ::close(fd) != 0 && code == 0) code = errno;
  if (code == 0) return {};
  ::unlink(path.c_str());
  return system_error(code, fmt::format("cannot write `{}`", path));
}

/// What several threads fetch, piece by piece.
struct Pieces {
  std::atomic<std::uint64_t> next{0};  ///< bytes that have been taken on
  std::atomic<bool> over{false};       ///< one was not to be had: the others begin no more
  std::atomic<bool> replaced{false};
  std::mutex mutex;
  std::optional<Error> error;

  void fail(Error why) {
    const std::lock_guard lock{mutex};
    if (!error) error = std::move(why);
    over = true;
  }
};

}  // namespace

Result<bool> CrtClient::get_piece(const Address& address, const Piece& piece, const std::string& etag, int fd) {
  const std::string doing = fmt::format("read `{}`", address.str());
  Request request = this->request("GET", address, "");
  request.headers.emplace_back("Range", range_header({.offset = piece.from, .length = piece.length, .suffix = false}));
  request.headers.emplace_back("If-Match", etag);
  request.receive_fd = fd;
  request.receive_at = piece.at;
  for (int attempt = 0;; ++attempt) {
    const Answer answer = HR_TRY(ask(request, address.bucket, doing));
    if (judge(answer) == Verdict::condition) return false;
    if (judge(answer) != Verdict::good) return error_for(answer, doing, address.bucket);
    if (answer.received == piece.length) return true;
    if (attempt > 0) return damaged(address, fmt::format("{} bytes came of {}, twice in a row", answer.received, piece.length));
  }
}

Result<bool> CrtClient::get_pieces(const Address& address, const Piece& all, const std::string& etag, int fd) {
  Pieces pieces;
  const auto fetch = [&] {
    while (!pieces.over) {
      const std::uint64_t done = pieces.next.fetch_add(kPiece);
      if (done >= all.length) return;
      const Piece piece{.from = all.from + done, .length = std::min(kPiece, all.length - done), .at = all.at + done};
      const auto got = get_piece(address, piece, etag, fd);
      if (!got) pieces.fail(got.error());
      if (got && !*got) pieces.over = pieces.replaced = true;
    }
  };
  {
    // This thread fetches too. How many requests there are of all objects together is the pace's to say.
    const auto at_once = static_cast<std::uint64_t>(std::clamp(settings_.gbps_max / kConnectionGbps, 1.0, kPiecesAtOnceMax));
    const std::uint64_t wanted = std::min(at_once, (all.length + kPiece - 1) / kPiece);
    std::vector<std::jthread> others;
    try {
      while (others.size() + 1 < wanted) others.emplace_back(fetch);
    } catch (const std::system_error&) {  // There are no more threads to be had: those there are do it.
    }
    fetch();
  }
  if (pieces.error) return *std::move(pieces.error);
  return !pieces.replaced;
}

Result<Info> CrtClient::get_to_file(const Address& address, const std::string& path, const std::optional<Range>& asked) {
  std::optional<Range> range = asked;
  if (range && range->suffix && range->length.value_or(0) > kInMemoryMax) {  // Where it begins is not known yet.
    if (const auto info = HR_TRY(head(address))) {
      const std::uint64_t length = std::min(*range->length, info->size);
      range = Range{.offset = info->size - length, .length = length, .suffix = false};
    }
  }
  if (range && (range->suffix || (range->length && *range->length <= kInMemoryMax))) {
    Object object = HR_TRY(get(address, range));
    HR_TRY(write_whole_file(path, object.bytes));
    return std::move(object.info);
  }
  const std::uint64_t from = range ? range->offset : 0;
  const Range beginning{.offset = from, .length = kFirstPiece, .suffix = false};
  for (int attempt = 0;; ++attempt) {
    const Object first = range ? HR_TRY(get(address, beginning)) : HR_TRY(get_first(address));
    HR_TRY(write_whole_file(path, first.bytes));
    const std::uint64_t left = first.info.size - std::min(from, first.info.size);
    const std::uint64_t wanted = range && range->length ? std::min(*range->length, left) : left;
    const std::uint64_t done = first.bytes.size();
    if (done >= wanted) return first.info;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, fmt::format("cannot write `{}`", path));
    Result<bool> got = get_pieces(address, {.from = from + done, .length = wanted - done, .at = done}, first.info.etag, fd);
    const int failed = ::close(fd) != 0 ? errno : 0;
    if (got.ok() && failed != 0) got = system_error(failed, fmt::format("cannot write `{}`", path));
    if (got.ok() && *got) return first.info;
    ::unlink(path.c_str());
    if (!got) return std::move(got).error();
    if (attempt > 0) return damaged(address, "it was replaced while it was read, twice in a row");
  }
}

Result<PutResult> CrtClient::put_file(const Address& address, const std::string& path, const PutOptions& options) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return system_error(errno, fmt::format("cannot store `{}`", path));
  const auto size = static_cast<std::uint64_t>(file.st_size);
  if (size <= kInMemoryMax) return put(address, HR_TRY(read_whole_file(path, size)), options);
  Request request = this->request("PUT", address, "");
  request.send_file = path;
  const std::string mark = add_put_headers(request, options, size);
  if (size >= kPartsMin) {
    request.form = Request::Form::put_parts;
  } else if (std::exchange(request.checksum, false)) {  // once, not at each try
    const auto checksum = checksum_of_file(path);
    if (!checksum) return system_error(errno, fmt::format("cannot read `{}`", path));
    request.headers.emplace_back(kChecksumHeader, *checksum);
  }
  const Answer answer = HR_TRY(ask(request, address.bucket, fmt::format("write `{}`", address.str())));
  return put_result(answer, address, mark);
}

}  // namespace headrace::s3
