#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <aws/auth/credentials.h>
#include <aws/http/connection_manager.h>
#include <aws/http/request_response.h>

#include "base/time.h"
#include "s3/crc.h"
#include "s3/crt.h"
#include "s3/file_part.h"

namespace headrace::s3 {

class FileWriter;
class StopGroup;

/// Where the body of a good answer goes as it comes.
struct Sink {
  FileWriter* file = nullptr;  ///< nullptr: into memory
  std::uint64_t at = 0;        ///< where in it
  std::optional<CrcKind> crc;  ///< to be computed of what goes there
};

/// What to ask of S3: one request (call.h).
struct Request {
  std::string method;
  std::string target;     ///< path and query, escaped
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;  ///< must live until the request has ended
  FilePart send;          ///< in the place of `body`, unless it is empty
  Sink receive;
  std::optional<std::uint64_t> body_max;  ///< a good answer that announces or brings more is cut off: `Answer::too_large`
  bool checksum = false;     ///< a CRC goes with what is sent, or is checked in what is received
  std::uint64_t expected = 0;  ///< bytes of the answer, as far as they are known
  StopGroup* group = nullptr;  ///< what ends it, beside the client
};

/// What came back. Header names are in small letters.
struct Answer {
  int error = 0;   ///< of the CRT; 0 when S3 answered with success
  int status = 0;  ///< of HTTP; 0 when there was no answer
  std::map<std::string, std::string> headers;
  std::string body;
  std::uint64_t received = 0;  ///< bytes that went into a file
  Crc received_crc;            ///< of these, when one was asked for
  int file_error = 0;          ///< errno of writing there, or of reading what is sent
  bool too_large = false;      ///< than `Request::body_max`; not all of the body was taken, as a rule nothing
  int tries = 0;           ///< requests sent, repeats included
  int lost = 0;            ///< of them without a whole answer, or with 5xx: S3 may have carried them out
  std::string last_trouble;  ///< of the newest try that failed; may be empty
  bool stalled = false;    ///< given up because nothing happened for too long
  bool hopeless = false;   ///< given up because the same trouble would come back, e.g. a certificate that is not trusted
  bool stopped = false;    ///< given up because it was told to stop

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  void add_header(std::string_view name, std::string_view value);
  /// False where only the end of the connection tells the end of the body, which may be anywhere.
  [[nodiscard]] bool has_length() const { return headers.contains("content-length") || headers.contains("transfer-encoding"); }
  /// One of `tries` has failed so. `status` 0: there was no answer.
  void add_failure(int failed_with, int failed_status);
  /// How large the body is to be, as its header says; 0 when it does not.
  [[nodiscard]] std::uint64_t announced_size() const;
  /// Bytes of the body that came, wherever they went.
  [[nodiscard]] std::uint64_t came() const { return received + body.size(); }
};

/// Where the requests of a client go.
struct Destination {
  aws_http_connection_manager* connections = nullptr;
  std::string endpoint;  ///< `http(s)://host[:port]`, the bucket in it unless it is in the path
  std::string region;
  aws_credentials_provider* credentials = nullptr;
};

/// Who waits hears of trouble when it has lasted this long: below this, a try more is the usual cure.
inline constexpr Duration kTroubleAfter = 10s;
[[nodiscard]] inline Instant now() { return std::chrono::steady_clock::now(); }

using Message = Held<aws_http_message, aws_http_message_release>;
/// Without its body.
[[nodiscard]] Message make_message(const Request& request);
void add_header(aws_http_message* message, std::string_view name, std::string_view value);
/// Whether this error of the CRT, or this status, means that the service wants fewer requests.
[[nodiscard]] bool is_throttled(int error, int status);
/// Whether it means that the service's certificate is not trusted. That is not tried again: the TLS library lets each refusal take
/// 10 to 30 s, against timing attacks.
[[nodiscard]] bool is_distrust(int error);

}  // namespace headrace::s3
