#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "s3/address.h"
#include "s3/settings.h"

namespace headrace::s3 {

/// What S3 says of an object.
struct Info {
  std::uint64_t size = 0;  ///< of the whole object, also when a range was read
  std::string etag;        ///< with its quotes
  std::string content_type;
  std::string encryption;
  std::optional<WallTime> last_modified;
  std::map<std::string, std::string> metadata;  ///< user metadata, names without `x-amz-meta-` and in small letters
};

/// A part of an object. `length` unset: to the end. `suffix`: the last `length` bytes, `offset` does not count.
struct Range {
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
  bool suffix = false;
};

struct Object {
  std::string bytes;
  std::uint64_t offset = 0;  ///< where `bytes` begin in the object
  Info info;
};

struct PutOptions {
  std::string content_type;  ///< empty: binary/octet-stream
  std::map<std::string, std::string> metadata;
  bool if_none_match = false;  ///< only if there is no such object
  std::string if_match;        ///< only if the object has this etag; empty: does not matter
  bool by_content = false;     ///< the key says what the bytes are: who wrote them does not matter, see `PutResult::written`
};

struct PutResult {
  /// False: the condition did not hold, and nothing was changed. When the answer of a try was lost, what is stored tells whether
  /// it was ours: objects written under a condition carry a mark (user metadata `headrace-writer`), unless they are `by_content`.
  bool written = false;
  std::string etag;
};

struct Listed {
  std::string key;      ///< whole key; of a prefix with the delimiter at its end
  bool prefix = false;  ///< stands for all keys below it
  std::uint64_t size = 0;
  std::string etag;
  std::optional<WallTime> last_modified;
};

/// An object being read from its beginning, several pieces ahead. One thread at a time. Dropping it ends the transfer.
class Reader {
 public:
  virtual ~Reader() = default;
  [[nodiscard]] virtual const Info& info() const = 0;
  /// Up to buffer.size() next bytes; 0 at the end. Of the pieces S3 tells only the length: who reads compares the whole.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
};

/// Objects in S3 or in a service like it. Every function blocks and may be called from any thread; the transfers run on the
/// client's own threads, on kept connections.
///
/// Lost connections, 429 and 5xx are repeated with jittered, growing pauses until `Settings::patience` is over, and meanwhile
/// fewer requests are sent at once. An outage is waited for once: a request that begins when nothing has had an answer for as long as
/// that is given a thirtieth of it. What comes back shorter than announced, or with another checksum, is fetched once more. Patience
/// counts for each request: large objects move in pieces.
/// Errors name bucket and key, S3's own code and text, and what to do next. Kinds: `missing` (no such object or bucket), `denied`
/// (403, no credentials: the error tells what was tried), `misuse` (bad name, range outside the object, wrong settings),
/// `retry` (patience is over), `failed`.
class Client {
 public:
  /// Makes no request. Error `misuse` for settings that cannot be used.
  static Result<std::unique_ptr<Client>> make(Settings settings);
  /// Waits for what runs.
  virtual ~Client() = default;

  /// The whole object or a range of it, in memory, in one request.
  virtual Result<Object> get(const Address& address, const std::optional<Range>& range) = 0;
  Result<Object> get(const Address& address) { return get(address, std::nullopt); }
  /// nullopt if there is no such object.
  virtual Result<std::optional<Info>> head(const Address& address) = 0;
  /// One request, however large. `bytes` are read until the call returns.
  virtual Result<PutResult> put(const Address& address, std::string_view bytes, const PutOptions& options) = 0;
  /// Nothing happens if there is none.
  virtual Result<void> remove(const Address& address) = 0;
  /// All keys that begin with `prefix`, sorted; with a delimiter only up to its first place after the prefix.
  virtual Result<std::vector<Listed>> list(const std::string& bucket, const std::string& prefix, const std::string& delimiter) = 0;

  /// Parallel ranged reading; small objects take one request.
  virtual Result<std::unique_ptr<Reader>> open(const Address& address) = 0;
  /// Into a new file or over an existing one; on failure the file is removed. Parallel when large.
  virtual Result<Info> get_to_file(const Address& address, const std::string& path, const std::optional<Range>& range) = 0;
  /// Parallel (multipart) when large. `path` may be /proc/self/fd/N.
  virtual Result<PutResult> put_file(const Address& address, const std::string& path, const PutOptions& options) = 0;

  /// Ends what runs and refuses what comes: all of it gives error `failed`. For a process that has to leave.
  virtual void stop() = 0;

  /// The endpoint and the region in use, for error texts and `location`s.
  [[nodiscard]] virtual const Settings& settings() const = 0;
};

}  // namespace headrace::s3
