#include "s3/verdict.h"

#include <array>
#include <algorithm>

#include <aws/auth/auth.h>
#include <aws/common/common.h>
#include <aws/http/http.h>
#include <aws/io/io.h>
#include <aws/s3/s3.h>
#include <fmt/format.h>

#include "s3/documents.h"

namespace headrace::s3 {
namespace {

bool one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

Verdict judge_status(const Answer& answer) {
  const std::string code = read_error(answer.body).code;
  if (one_of(code, {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidTokenId",
                    "InvalidAccessKeyId"})) {
    return Verdict::expired;
  }
  if (one_of(code, {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}) || answer.status == 301 ||
      answer.status == 307) {
    return region_of(answer).empty() ? Verdict::misuse : Verdict::other_region;
  }
  if (one_of(code, {"BadDigest", "XAmzContentChecksumMismatch"})) return Verdict::damaged;
  if (one_of(code, {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})) return Verdict::repeat;
  // To HEAD, S3 says no more than this of an expired token and of a bucket elsewhere.
  if (answer.status == 400 && answer.body.empty()) return region_of(answer).empty() ? Verdict::expired : Verdict::other_region;
  // Nor of a refusal: it may be for the token's age.
  if (answer.status == 403 && answer.body.empty()) return Verdict::expired;
  switch (answer.status) {
    case 404: return Verdict::missing;
    case 412: return Verdict::condition;
    case 409: return one_of(code, {"ConditionalRequestConflict", "OperationAborted"}) ? Verdict::repeat : Verdict::failed;
    case 401:
    case 403: return Verdict::denied;
    case kRangeNotSatisfiable: return Verdict::misuse;
    case 408:
    case 425:
    case 429: return Verdict::repeat;
    case 501:
    case 507: return Verdict::failed;
    default: break;
  }
  if (answer.status >= 500) return Verdict::repeat;
  return Verdict::failed;
}

bool is_of(unsigned package, int error) {
  const auto number = static_cast<unsigned>(error);
  return number >= AWS_ERROR_ENUM_BEGIN_RANGE(package) && number <= AWS_ERROR_ENUM_END_RANGE(package);
}

/// The source of the credentials did not answer when they were to be renewed, or not with what can be used.
bool is_of_credentials(int error) { return is_of(AWS_C_AUTH_PACKAGE_ID, error); }

/// Trouble on the way to S3, as opposed to what we did wrong.
bool is_of_the_way(int error) {
  return is_of(AWS_C_IO_PACKAGE_ID, error) || is_of(AWS_C_HTTP_PACKAGE_ID, error) || is_of_credentials(error) ||
         error == AWS_ERROR_S3_INTERNAL_ERROR || error == AWS_ERROR_S3_SLOW_DOWN || error == AWS_ERROR_S3_REQUEST_TIMEOUT ||
         error == AWS_ERROR_S3_NON_RECOVERABLE_ASYNC_ERROR;
}

std::string http_words(const Answer& answer) {
  const ErrorDocument document = read_error(answer.body);
  std::string words = fmt::format("S3 answered {}", answer.status);
  if (!document.code.empty()) words += " " + document.code;
  if (!document.message.empty()) words += ": " + document.message;
  if (const std::string id = answer.header("x-amz-request-id"); !id.empty()) words += fmt::format(" (request {})", id);
  return words;
}

std::string way_words(const Answer& answer, const std::string& endpoint) {
  std::string words = !answer.last_trouble.empty() ? answer.last_trouble
                      : answer.stalled             ? "no answer came in time"
                                                   : std::string{aws_error_str(answer.error)};
  while (!words.empty() && words.back() == '.') words.pop_back();
  return fmt::format("{} (at {}, {} tries)", words, endpoint, answer.tries);
}

}  // namespace

Verdict judge(const Answer& answer) {
  if (answer.stopped || answer.hopeless || answer.file_error != 0) return Verdict::failed;
  if (answer.stalled) return Verdict::repeat;
  if (answer.error == 0) return Verdict::good;
  if (answer.error == AWS_ERROR_S3_INVALID_RESPONSE_STATUS) return judge_status(answer);
  switch (answer.error) {
    case AWS_ERROR_S3_RESPONSE_CHECKSUM_MISMATCH:
    case AWS_ERROR_S3_OBJECT_MODIFIED:
    case AWS_ERROR_S3_MISSING_CONTENT_RANGE_HEADER:
    case AWS_ERROR_S3_INVALID_CONTENT_RANGE_HEADER: return Verdict::damaged;
    case AWS_ERROR_HTTP_OUTGOING_STREAM_LENGTH_INCORRECT: return Verdict::failed;  // a file that became shorter
    case AWS_ERROR_S3_MISSING_ETAG:
    case AWS_ERROR_S3_MISSING_UPLOAD_ID: return Verdict::repeat;
    default: return is_of_the_way(answer.error) ? Verdict::repeat : Verdict::failed;
  }
}

std::string region_of(const Answer& answer) {
  if (std::string region = answer.header("x-amz-bucket-region"); !region.empty()) return region;
  return read_error(answer.body).region;
}

Error describe(const Answer& answer, const std::string& doing, const std::string& origin, const std::string& endpoint) {
  Error error{.kind = Kind::failed, .what = "cannot " + doing, .where = {}, .why = {}, .next = {}};
  if (answer.stopped) {
    error.why = "it was told to stop";
    return error;
  }
  if (answer.file_error != 0) return system_error(answer.file_error, error.what);
  if (answer.error == AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED) {
    error.kind = Kind::denied;
    const std::string date = answer.header("date");
    error.why = "the clock of this machine and that of S3 differ by more than 15 minutes" + (date.empty() ? "" : "; S3 says it is " + date);
    error.next = "set the clock of this machine (NTP)";
    return error;
  }
  if (is_distrust(answer.error)) {
    error.kind = Kind::misuse;
    error.why = fmt::format("the TLS connection to {} was not accepted: its certificate is not trusted, expired, or for another name", endpoint);
    error.next = "give the CA file of the service by METAFLOW_S3_VERIFY_CERTIFICATE or AWS_CA_BUNDLE";
    return error;
  }
  if (is_of_credentials(answer.error)) {
    error.kind = Kind::retry;
    error.why = fmt::format("the credentials could not be renewed: {} gave none ({})", origin, aws_error_str(answer.error));
    error.next = "check that their source is up and reached from here, then try again";
    return error;
  }
  if (answer.error == AWS_ERROR_HTTP_OUTGOING_STREAM_LENGTH_INCORRECT) {
    error.why = "the file became shorter while it was sent";
    error.next = "store it again";
    return error;
  }
  const Verdict verdict = judge(answer);
  const bool answered = answer.error == AWS_ERROR_S3_INVALID_RESPONSE_STATUS;
  error.why = answered ? http_words(answer) : way_words(answer, endpoint);
  switch (verdict) {
    case Verdict::missing: {
      error.kind = Kind::missing;
      const bool bucket = read_error(answer.body).code == "NoSuchBucket";
      error.why = bucket ? "there is no such bucket" : "there is no such object";
      if (bucket) error.next = "check the name of the bucket and the endpoint (" + endpoint + ")";
      break;
    }
    case Verdict::denied:
    case Verdict::expired:
      error.kind = Kind::denied;
      if (!origin.empty()) error.why += "; signed with credentials from " + origin;
      error.next = verdict == Verdict::denied  ? "check that these credentials may do this with this bucket and key"
                   : answer.body.empty()       ? "check that these credentials are not too old, and may do this with this bucket and key"
                                               : "renew the credentials";
      break;
    case Verdict::misuse:
      error.kind = Kind::misuse;
      if (answer.status == kRangeNotSatisfiable) error.next = "ask for a range inside the object";
      else error.next = "check the endpoint and the region";
      break;
    case Verdict::repeat:
      error.kind = Kind::retry;
      error.next = "check that the service is up and reached from here (endpoint, proxy), then try again";
      break;
    case Verdict::damaged:
      error.kind = Kind::failed;
      if (answered) {
        error.why += "; what was sent changed meanwhile or on its way, twice in a row";
        error.next = "store it again";
        break;
      }
      error.why = "what S3 gives is not what was stored: another checksum or length, twice in a row";
      error.next = "remove the object and make it again";
      break;
    default: break;
  }
  return error;
}

}  // namespace headrace::s3
