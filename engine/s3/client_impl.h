#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/random.h"
#include "s3/call.h"
#include "s3/checksum.h"
#include "s3/client.h"
#include "s3/connections.h"
#include "s3/credentials.h"
#include "s3/file_writer.h"
#include "s3/md5_together.h"
#include "s3/pace.h"
#include "s3/runtime.h"
#include "s3/transfer_limits.h"
#include "s3/verdict.h"

namespace headrace::s3 {

class CrtClient;
/// Parallel reading with a bounded window; the first answer has come.
Result<std::unique_ptr<Reader>> open_reader(CrtClient& client, const Address& address);
/// `Client::get_to_file`.
Result<Info> download(CrtClient& client, const Address& address, const std::string& path, const std::optional<Range>& range);
/// `Client::put_file`.
Result<PutResult> upload(CrtClient& client, const Address& address, const std::string& path, const PutOptions& options);

/// The client over the CRT. Asks, judges what comes back, and asks again where that helps.
class CrtClient final : public Client {
 public:
  static Result<std::unique_ptr<CrtClient>> make(Settings settings);

  Result<Object> get(const Address& address, const std::optional<Range>& range) override;
  Result<std::optional<Info>> head(const Address& address) override;
  Result<PutResult> put(const Address& address, std::string_view bytes, const PutOptions& options) override;
  Result<void> remove(const Address& address) override;
  Result<std::vector<Listed>> list(const std::string& bucket, const std::string& prefix, const std::string& delimiter) override;
  Result<std::unique_ptr<Reader>> open(const Address& address) override { return open_reader(*this, address); }
  Result<Info> get_to_file(const Address& address, const std::string& path, const std::optional<Range>& range) override {
    return download(*this, address, path, range);
  }
  Result<PutResult> put_file(const Address& address, const std::string& path, const PutOptions& options) override {
    return upload(*this, address, path, options);
  }
  void stop() override;
  [[nodiscard]] const Settings& settings() const override { return settings_; }

  /// A whole object by one request, into `file` or, when that is nullptr, into memory. Of one larger than kPiece the head of the answer
  /// alone (`too_large`), which tells the size, the version and the checksum: it is to come in pieces.
  Result<Answer> get_whole(const Address& address, FileWriter* file);
  /// What larger transfers move in one request.
  static constexpr std::uint64_t kPiece = 8 << 20;
  /// How many requests side by side a transfer of so many pieces is worth.
  [[nodiscard]] std::uint64_t side_by_side(std::uint64_t pieces) const;

  /// Some bytes of an object, and where they go.
  struct Piece {
    std::uint64_t from = 0;
    std::uint64_t length = 0;
    Sink to;
  };
  /// `whole`: of the version that is meant. nullopt when there is another by now. An answer with other bytes is asked for once more.
  Result<std::optional<Answer>> get_piece(const Address& address, const Piece& piece, const Info& whole, StopGroup& group);
  /// Ends with the client.
  [[nodiscard]] StopGroup& running() { return running_; }
  [[nodiscard]] Buffers& buffers() { return buffers_; }

  [[nodiscard]] Request request(std::string method, const Address& address, const std::string& query) const;
  /// The answer, good or one of those that only the caller can judge (missing, condition, 416). Repeats until patience is over.
  Result<Answer> ask(const Request& request, const std::string& bucket, const std::string& doing);
  /// Also when the client has been told to stop. The answer is of no interest, but one that is lost is asked for again.
  void ask_at_end(const Request& request, const std::string& bucket, Duration patience);
  /// What `ask` would do about an answer that is not good, other than asking again: the error.
  [[nodiscard]] Error error_for(const Answer& answer, const std::string& doing, const std::string& bucket) const;
  /// Headers that say what an object is to be; returns the mark that shows later whose it is, empty if none is needed.
  std::string add_object_headers(Request& request, const PutOptions& options);
  /// All that, and the rest of what a PUT of a whole object has.
  std::string start_put(Request& request, const PutOptions& options, std::uint64_t size);
  static void add_conditions(Request& request, const PutOptions& options);
  Result<PutResult> put_result(const Answer& answer, const Address& address, const std::string& mark);
  /// Whether the object that an answer speaks of was written with this mark.
  [[nodiscard]] static bool is_marked(const Answer& answer, const std::string& mark);
  [[nodiscard]] Md5Together& md5() { return md5_; }

 private:
  CrtClient(Settings settings, std::unique_ptr<Runtime> runtime);
  /// Where requests to one bucket go; the provider is held until they have ended.
  struct Way {
    Provider credentials;
    Destination to;
  };
  Result<Way> way_to(const std::string& bucket);
  /// How a call goes on after an answer that is not good.
  struct Course {
    Instant began;
    Instant until;          ///< when patience is over
    unsigned round = 0;
    bool refetched = false;
    int renewed = 0;        ///< credentials
  };
  /// One try.
  Answer ask_once(const Request& request, const Destination& to, Instant until, StopGroup& group);
  /// True if asking again may help; waits before that, and does what is needed (other credentials, other region).
  bool again(Course& course, const Answer& answer, const std::string& bucket, const std::string& doing, StopGroup& group);
  [[nodiscard]] Duration random_pause(std::uint64_t most_ms);
  [[nodiscard]] std::string endpoint_of(const std::string& bucket) const;
  [[nodiscard]] std::string region_for(const std::string& bucket) const;
  [[nodiscard]] bool in_path(const std::string& bucket) const;
  /// How long a request that begins now is tried: an outage is waited for once, not by each request anew.
  [[nodiscard]] Duration patience();
  /// What a try tells of the service: whether it is there.
  void note(const Answer& answer, Instant asked);
  /// Says that S3 is waited for, at most every half minute.
  void tell_of_wait(const Answer& answer, const std::string& doing, Instant until);

  Settings settings_;
  std::unique_ptr<Runtime> runtime_;
  Credentials credentials_;
  Connections connections_;
  Pace pace_;
  Md5Together md5_;
  Bandwidth bandwidth_;
  Buffers buffers_;
  StopGroup running_;
  std::mutex mutex_;
  mutable std::mutex regions_mutex_;
  std::map<std::string, std::string> regions_;  ///< of buckets that are elsewhere than `settings_` says
  Random random_;
  std::optional<Instant> away_since_;  ///< no try has had an answer since
  Instant told_{};
};

/// Value of the header `Range`.
[[nodiscard]] std::string range_header(const Range& range);
[[nodiscard]] Error damaged(const Address& address, std::string why);
/// What the headers of an answer say of the object.
[[nodiscard]] Info info_of(const Answer& answer);

}  // namespace headrace::s3
