#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/random.h"
#include "s3/call.h"
#include "s3/client.h"
#include "s3/connections.h"
#include "s3/credentials.h"
#include "s3/exchange.h"
#include "s3/md5_together.h"
#include "s3/pace.h"
#include "s3/runtime.h"
#include "s3/verdict.h"

namespace headrace::s3 {

/// The client over the CRT. Asks, judges what comes back, and asks again where that helps.
class CrtClient final : public Client {
 public:
  static Result<std::unique_ptr<CrtClient>> make(Settings settings);
  ~CrtClient() override;

  Result<Object> get(const Address& address, const std::optional<Range>& range) override;
  Result<std::optional<Info>> head(const Address& address) override;
  Result<PutResult> put(const Address& address, std::string_view bytes, const PutOptions& options) override;
  Result<void> remove(const Address& address) override;
  Result<std::vector<Listed>> list(const std::string& bucket, const std::string& prefix, const std::string& delimiter) override;
  Result<std::unique_ptr<Reader>> open(const Address& address) override;
  Result<Info> get_to_file(const Address& address, const std::string& path, const std::optional<Range>& range) override;
  Result<PutResult> put_file(const Address& address, const std::string& path, const PutOptions& options) override;
  void stop() override;
  [[nodiscard]] const Settings& settings() const override { return settings_; }

  /// Where one exchange goes; the provider is held until it has ended.
  struct Way {
    Provider credentials;
    Destination to;
  };
  Result<Way> way_to(const std::string& bucket);
  /// What `ask` would do about an answer that is not good, other than asking again: the error.
  [[nodiscard]] Error error_for(const Answer& answer, const std::string& doing, const std::string& bucket) const;
  [[nodiscard]] Request request(std::string method, const Address& address, const std::string& query) const;
  [[nodiscard]] Pace& pace() { return pace_; }
  /// The beginning of an object, at most kFirstPiece of it: most objects are no larger, and then one request has it all.
  Result<Object> get_first(const Address& address);
  static constexpr std::uint64_t kFirstPiece = 1 << 20;
  /// What `stop` must end, from here on. False when it was called already: this one may not start.
  [[nodiscard]] bool began(Underway& underway);
  void ended(Underway& underway);
  /// The same, and who waits is told of trouble (see `tell_of_wait`).
  [[nodiscard]] bool began(Exchange& exchange, const std::string& doing, Instant until);

  /// How a call goes on after an answer that is not good.
  struct Course {
    Instant began;
    Instant until;          ///< when patience is over
    unsigned round = 0;
    bool refetched = false;
    int renewed = 0;        ///< credentials
  };
  [[nodiscard]] Course begin_course() const;
  /// True if asking again may help; waits before that, and does what is needed (other credentials, other region).
  bool again(Course& course, const Answer& answer, const std::string& bucket, const std::string& doing);

 private:
  CrtClient(Settings settings, std::unique_ptr<Runtime> runtime);
  /// Some bytes of an object, and where they go in a file.
  struct Piece {
    std::uint64_t from = 0;  ///< in the object
    std::uint64_t length = 0;
    std::uint64_t at = 0;    ///< in the file
  };
  /// `etag`: of the version that is meant. False when it is another by now.
  Result<bool> get_piece(const Address& address, const Piece& piece, const std::string& etag, int fd);
  /// The same by many requests side by side.
  Result<bool> get_pieces(const Address& address, const Piece& all, const std::string& etag, int fd);
  /// The answer, good or one of those that only the caller can judge (missing, condition, 416). Repeats until patience is over.
  Result<Answer> ask(const Request& request, const std::string& bucket, const std::string& doing);
  /// One try: without repeats if it is a plain request, else with those of the CRT.
  Answer ask_once(const Request& request, const Destination& to, const std::string& doing, Instant until);
  [[nodiscard]] std::string endpoint_of(const std::string& bucket) const;
  [[nodiscard]] std::string region_for(const std::string& bucket) const;
  [[nodiscard]] bool in_path(const std::string& bucket) const;
  /// Headers of a PUT; returns the mark that shows later whose the object is, empty if none is needed.
  std::string add_put_headers(Request& request, const PutOptions& options, std::uint64_t size);
  Result<PutResult> put_result(const Answer& answer, const Address& address, const std::string& mark);
  /// Says that S3 is waited for, at most every half minute.
  void tell_of_wait(const Answer& answer, const std::string& doing, Instant until);

  Settings settings_;
  std::unique_ptr<Runtime> runtime_;
  Credentials credentials_;
  Connections connections_;
  Pace pace_;
  Md5Together md5_;
  Ending crt_ended_;
  aws_s3_client* crt_ = nullptr;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  mutable std::mutex regions_mutex_;
  std::map<std::string, std::string> regions_;  ///< of buckets that are elsewhere than `settings_` says
  std::set<Underway*> running_;
  Random random_;
  Instant told_{};
};

/// Value of the header `Range`.
[[nodiscard]] std::string range_header(const Range& range);
[[nodiscard]] Error damaged(const Address& address, std::string why);
/// What the headers of an answer say of the object.
[[nodiscard]] Info info_of(const Answer& answer);
/// Parallel reading with a bounded window; the first answer has come.
Result<std::unique_ptr<Reader>> open_reader(CrtClient& client, const Address& address);

}  // namespace headrace::s3
