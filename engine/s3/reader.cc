#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>

#include <fmt/format.h>

#include "s3/client_impl.h"

namespace headrace::s3 {
namespace {

/// The window is opened again in steps, not for every few bytes that were read.
constexpr std::uint64_t kStep = 1 << 20;
/// What a reader that waits for bytes gets more of, up to as much.
constexpr std::uint64_t kMore = 8 << 20;
constexpr std::uint64_t kWindowMost = 128 << 20;

/// Bytes between the CRT's thread, which brings them in order, and the reader's.
class Queue final : public Sink {
 public:
  bool take(std::string_view bytes) override {
    const std::lock_guard lock{mutex_};
    pieces_.emplace_back(bytes);
    changed_.notify_all();
    return true;
  }

  void end() override {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    changed_.notify_all();
  }

  struct Read {
    std::size_t bytes = 0;
    bool waited = false;
  };
  /// Some bytes; 0 when the exchange has ended and all were read.
  Read read(std::span<char> buffer) {
    std::unique_lock lock{mutex_};
    Read result{.bytes = 0, .waited = pieces_.empty() && !ended_};
    changed_.wait(lock, [this] { return !pieces_.empty() || ended_; });
    while (result.bytes < buffer.size() && !pieces_.empty()) {
      const std::string_view left = std::string_view{pieces_.front()}.substr(at_);
      const std::size_t n = std::min(left.size(), buffer.size() - result.bytes);
      std::memcpy(buffer.data() + result.bytes, left.data(), n);
      result.bytes += n;
      at_ += n;
      if (at_ < pieces_.front().size()) continue;
      pieces_.pop_front();
      at_ = 0;
    }
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  std::size_t at_ = 0;  ///< in the first piece
  bool ended_ = false;
};

class PartsReader final : public Reader {
 public:
  PartsReader(CrtClient& client, Address address)
      : client_(client), address_(std::move(address)), doing_(fmt::format("read `{}`", address_.str())) {}

  ~PartsReader() override { end_transfer(); }

  /// The first piece, which for most objects is all.
  Result<void> begin() {
    Object first = HR_TRY(client_.get_first(address_));
    info_ = std::move(first.info);
    piece_ = std::move(first.bytes);
    // The rest is on its way while the first piece is being read.
    if (piece_.size() < info_.size) return start(piece_.size());
    return {};
  }

  [[nodiscard]] const Info& info() const override { return info_; }

  Result<std::size_t> read(std::span<char> buffer) override {
    if (buffer.empty()) return std::size_t{0};
    if (at_ < piece_.size()) {
      const std::size_t n = std::min(buffer.size(), piece_.size() - static_cast<std::size_t>(at_));
      std::memcpy(buffer.data(), piece_.data() + at_, n);
      at_ += n;
      return n;
    }
    if (!exchange_) return at_end();
    for (;;) {
      const Queue::Read got = queue_->read(buffer);
      if (got.bytes > 0) {
        at_ += got.bytes;
        course_.reset();
        widen(got);
        return got.bytes;
      }
      const Answer& answer = exchange_->wait(0s);
      if (judge(answer) == Verdict::good) return at_end();
      if (!course_) course_ = client_.begin_course();
      if (!client_.again(*course_, answer, address_.bucket, doing_)) return client_.error_for(answer, doing_, address_.bucket);
      HR_TRY(start(at_));
    }
  }

 private:
  /// Asks for all from there on, of the same version of the object.
  Result<void> start(std::uint64_t from) {
    end_transfer();
    const CrtClient::Way way = HR_TRY(client_.way_to(address_.bucket));
    Request request = client_.request("GET", address_, "");
    request.form = Request::Form::get_parts;
    request.checksum = client_.settings().checksums;
    request.headers.emplace_back("Range", fmt::format("bytes={}-", from));
    request.headers.emplace_back("If-Match", info_.etag);
    queue_ = std::make_unique<Queue>();
    exchange_ = std::make_unique<Exchange>(std::move(request), client_.pace(), queue_.get());
    if (client_.began(*exchange_, doing_, client_.begin_course().until)) {
      exchange_->start(way.to);
    } else {
      exchange_->refuse();
    }
    window_ = kWindowFirst;
    unopened_ = 0;
    return {};
  }

  void end_transfer() {
    if (!exchange_) return;
    client_.ended(*exchange_);
    exchange_.reset();
  }

  void widen(const Queue::Read& got) {
    unopened_ += got.bytes;
    // Who waits for bytes could take more parts at once; who does not has enough of them ahead.
    if (got.waited && window_ < kWindowMost) {
      window_ += kMore;
      unopened_ += kMore;
    }
    if (unopened_ < kStep) return;
    exchange_->open_window(std::exchange(unopened_, 0));
  }

  Result<std::size_t> at_end() const {
    if (at_ == info_.size) return std::size_t{0};
    return Error{.kind = Kind::failed,
                 .what = "cannot " + doing_,
                 .why = fmt::format("{} bytes came of {}", at_, info_.size),
                 .next = "try again; if it stays so, remove the object and make it again"};
  }

  static constexpr std::uint64_t kWindowFirst = 24 << 20;

  CrtClient& client_;
  const Address address_;
  const std::string doing_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Exchange> exchange_;  ///< uses the queue
  std::optional<CrtClient::Course> course_;  ///< of trouble since the last bytes came
  Info info_;
  std::string piece_;  ///< the beginning
  std::uint64_t at_ = 0;
  std::uint64_t window_ = 0;
  std::uint64_t unopened_ = 0;
};

}  // namespace

Result<std::unique_ptr<Reader>> open_reader(CrtClient& client, const Address& address) {
  auto reader = std::make_unique<PartsReader>(client, address);
  HR_TRY(reader->begin());
  return std::unique_ptr<Reader>{std::move(reader)};
}

}  // namespace headrace::s3
