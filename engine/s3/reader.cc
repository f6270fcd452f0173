#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "s3/client_impl.h"
#include "s3/etag.h"

namespace headrace::s3 {
namespace {

/// Pieces ahead at first, if the memory for them is there.
constexpr std::uint64_t kAheadFirst = 3;
/// And at the most, of one reader.
constexpr std::uint64_t kAheadMost = 16;

/// An object being read in order while the next pieces come, each by a thread of its own. How many are ahead grows when the reader has
/// to wait for one, as far as the client's buffers go; one piece each reader has in any case.
class PiecesReader final : public Reader {
 public:
  PiecesReader(CrtClient& client, Address address)
      : client_(client), address_(std::move(address)), group_(client.running()) {}

  ~PiecesReader() override {
    {
      const std::lock_guard lock{mutex_};
      over_ = true;
      changed_.notify_all();
    }
    group_->stop();
    threads_.clear();  // joins
    client_.buffers().give_back((ahead_ - 1) * CrtClient::kPiece);
  }

  /// Brings most objects. Of a larger one the first pieces are on their way when this returns.
  Result<void> begin() {
    Answer first = HR_TRY(get_first());
    info_ = info_of(first);
    if (!first.too_large) {
      piece_ = std::move(first.body);
      info_.size = piece_.size();
      return {};
    }
    count_ = (info_.size + CrtClient::kPiece - 1) / CrtClient::kPiece;
    const std::lock_guard lock{mutex_};
    HR_TRY(add_thread());
    while (ahead_ < std::min(kAheadFirst, count_) && widen()) {}
    return {};
  }

  [[nodiscard]] const Info& info() const override { return info_; }

  Result<std::size_t> read(std::span<char> buffer) override {
    if (buffer.empty()) return std::size_t{0};
    if (at_ == piece_.size()) HR_TRY(next());
    const std::size_t n = std::min(buffer.size(), piece_.size() - at_);
    std::memcpy(buffer.data(), piece_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  Result<Answer> get_first() {
    for (int attempt = 0;; ++attempt) {
      Md5Together::Expected md5{client_.md5()};
      Answer first = HR_TRY(client_.get_whole(address_, nullptr));
      if (first.too_large || fits_etag(first.body, first, md5)) return first;
      if (attempt > 0) return damaged(address_, "the MD5 of what S3 gives is not its etag, twice in a row");
    }
  }

  /// The next piece becomes `piece_`; none at the end.
  Result<void> next() {
    piece_.clear();
    at_ = 0;
    if (front_ == count_) return {};
    std::unique_lock lock{mutex_};
    auto found = ready_.find(front_);
    if (found == ready_.end()) {
      widen();
      changed_.wait(lock, [&] { return (found = ready_.find(front_)) != ready_.end(); });
    }
    Result<std::string> bytes = std::move(found->second);
    if (!bytes) return bytes.error();  // and again when asked again
    piece_ = *std::move(bytes);
    ready_.erase(found);
    ++front_;
    changed_.notify_all();
    return {};
  }

  /// One piece more ahead, if there is memory and use for it.
  bool widen() {
    if (ahead_ >= std::min(kAheadMost, count_) || ahead_ >= client_.side_by_side(count_)) return false;
    if (!client_.buffers().try_take(CrtClient::kPiece)) return false;
    ++ahead_;
    if (add_thread().ok()) return true;
    --ahead_;
    client_.buffers().give_back(CrtClient::kPiece);
    return false;
  }

  Result<void> add_thread() {
    try {
      threads_.emplace_back([this] { fetch_some(); });
      return {};
    } catch (const std::system_error& error) {
      return system_error(error.code().value(), fmt::format("cannot read `{}`", address_.str()));
    }
  }

  void fetch_some() {
    std::unique_lock lock{mutex_};
    for (;;) {
      changed_.wait(lock, [this] { return over_ || next_ == count_ || next_ < front_ + ahead_; });
      if (over_ || next_ == count_) return;
      const std::uint64_t index = next_++;
      lock.unlock();
      Result<std::string> bytes = fetch(index);
      lock.lock();
      ready_.insert_or_assign(index, std::move(bytes));
      changed_.notify_all();
    }
  }

  Result<std::string> fetch(std::uint64_t index) {
    const std::uint64_t from = index * CrtClient::kPiece;
    const CrtClient::Piece piece{.from = from, .length = std::min(CrtClient::kPiece, info_.size - from), .to = {}};
    std::optional<Answer> answer = HR_TRY(client_.get_piece(address_, piece, info_, *group_));
    if (answer) return std::move(answer->body);
    return Error{.kind = Kind::failed,
                 .what = fmt::format("cannot read `{}`", address_.str()),
                 .why = "it was replaced while it was read",
                 .next = "read it again"};
  }

  CrtClient& client_;
  const Address address_;
  SubGroup group_;
  Info info_;
  std::uint64_t count_ = 0;  ///< of pieces
  std::string piece_;        ///< what is being read
  std::size_t at_ = 0;       ///< in it

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t front_ = 0;  ///< the piece to be read next
  std::uint64_t next_ = 0;   ///< the piece that nobody has taken on
  std::uint64_t ahead_ = 1;
  std::map<std::uint64_t, Result<std::string>> ready_;
  bool over_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace

Result<std::unique_ptr<Reader>> open_reader(CrtClient& client, const Address& address) {
  auto reader = std::make_unique<PiecesReader>(client, address);
  HR_TRY(reader->begin());
  return std::unique_ptr<Reader>{std::move(reader)};
}

}  // namespace headrace::s3
