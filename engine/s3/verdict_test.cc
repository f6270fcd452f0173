#include "s3/verdict.h"

#include <cerrno>

#include <aws/auth/auth.h>
#include <aws/http/http.h>
#include <aws/io/io.h>
#include <aws/s3/s3.h>
#include <gtest/gtest.h>

#include "s3/etag.h"

namespace headrace::s3 {
namespace {

Answer http(int status, const std::string& code = "") {
  Answer answer;
  answer.error = status < 300 ? 0 : AWS_ERROR_S3_INVALID_RESPONSE_STATUS;
  answer.status = status;
  if (!code.empty()) answer.body = "<Error><Code>" + code + "</Code><Message>said so</Message></Error>";
  return answer;
}

Answer broken(int error) {
  Answer answer;
  answer.error = error;
  answer.tries = 61;
  return answer;
}

TEST(Verdict, StatusAndCodeAreFolded) {
  EXPECT_EQ(judge(http(200)), Verdict::good);
  EXPECT_EQ(judge(http(404, "NoSuchKey")), Verdict::missing);
  EXPECT_EQ(judge(http(404, "NoSuchBucket")), Verdict::missing);
  EXPECT_EQ(judge(http(404)), Verdict::missing);
  EXPECT_EQ(judge(http(404, "NoSuchUpload")), Verdict::missing);
  EXPECT_EQ(judge(http(412, "PreconditionFailed")), Verdict::condition);
  EXPECT_EQ(judge(http(409, "ConditionalRequestConflict")), Verdict::repeat);
  EXPECT_EQ(judge(http(409, "BucketAlreadyExists")), Verdict::failed);
  EXPECT_EQ(judge(http(403, "AccessDenied")), Verdict::denied);
  EXPECT_EQ(judge(http(400, "ExpiredToken")), Verdict::expired);
  EXPECT_EQ(judge(http(403, "ExpiredToken")), Verdict::expired);
  EXPECT_EQ(judge(http(416, "InvalidRange")), Verdict::misuse);
  EXPECT_EQ(judge(http(429)), Verdict::repeat);
  EXPECT_EQ(judge(http(503, "SlowDown")), Verdict::repeat);
  EXPECT_EQ(judge(http(501, "NotImplemented")), Verdict::failed);
  EXPECT_EQ(judge(http(507, "XMinioStorageFull")), Verdict::failed);
  EXPECT_EQ(judge(http(400, "RequestTimeout")), Verdict::repeat);
  EXPECT_EQ(judge(http(400)), Verdict::expired) << "HEAD has no body to say so";
  EXPECT_EQ(judge(http(301)), Verdict::misuse);
  Answer elsewhere = http(301);
  elsewhere.headers["x-amz-bucket-region"] = "eu-west-1";
  EXPECT_EQ(judge(elsewhere), Verdict::other_region);
  EXPECT_EQ(region_of(elsewhere), "eu-west-1");
}

TEST(Verdict, TheWayToS3IsTriedAgain) {
  for (const int error : {int{AWS_IO_SOCKET_CLOSED}, int{AWS_IO_SOCKET_TIMEOUT}, int{AWS_IO_SOCKET_CONNECTION_REFUSED}, int{AWS_IO_DNS_QUERY_FAILED},
                          int{AWS_ERROR_HTTP_CONNECTION_CLOSED}, int{AWS_ERROR_S3_SLOW_DOWN}, int{AWS_ERROR_S3_INTERNAL_ERROR}}) {
    EXPECT_EQ(judge(broken(error)), Verdict::repeat) << aws_error_str(error);
  }
  EXPECT_EQ(judge(broken(AWS_ERROR_S3_RESPONSE_CHECKSUM_MISMATCH)), Verdict::damaged);
  EXPECT_EQ(judge(broken(AWS_AUTH_SIGNING_NO_CREDENTIALS)), Verdict::repeat) << "their source was asked anew, and did not answer";
  EXPECT_EQ(judge(broken(AWS_ERROR_INVALID_ARGUMENT)), Verdict::failed);
  Answer full = broken(AWS_ERROR_FILE_WRITE_FAILURE);
  full.file_error = ENOSPC;
  EXPECT_EQ(judge(full), Verdict::failed);
  EXPECT_EQ(describe(full, "read `s3://b/k`", "", "").why, "No space left on device");
  Answer stopped = broken(AWS_ERROR_S3_CANCELED);
  stopped.stopped = true;
  EXPECT_EQ(judge(stopped), Verdict::failed);
}

TEST(Verdict, WhatS3MayHaveCarriedOutIsCounted) {
  for (const auto& [status, lost] : {std::pair{0, 1}, std::pair{200, 1}, std::pair{503, 1}, std::pair{404, 0}, std::pair{412, 0}}) {
    Answer answer;
    answer.add_failure(AWS_ERROR_HTTP_CONNECTION_CLOSED, status);
    EXPECT_EQ(answer.lost, lost) << status << ": 200 is an answer that broke off";
  }
}

TEST(Verdict, WhatIsNotWhatWasToBeSentIsSentOnceMore) {
  for (const char* code : {"BadDigest", "XAmzContentChecksumMismatch"}) {
    EXPECT_EQ(judge(http(400, code)), Verdict::damaged);
    EXPECT_EQ(describe(http(400, code), "write `s3://b/k`", "", "").next, "store it again");
  }
  const Answer shorter = broken(AWS_ERROR_HTTP_OUTGOING_STREAM_LENGTH_INCORRECT);
  EXPECT_EQ(judge(shorter), Verdict::failed);
  EXPECT_EQ(describe(shorter, "write `s3://b/k`", "", "").why, "the file became shorter while it was sent");
}

TEST(Verdict, ErrorsSayWhatWhyAndWhatNext) {
  const auto text = [](const Answer& answer) {
    return to_text(describe(answer, "read `s3://flows/a`", "the environment", "http://10.0.0.1:9000"));
  };
  EXPECT_EQ(text(http(403, "AccessDenied")),
            "error: cannot read `s3://flows/a`\n"
            "  why:   S3 answered 403 AccessDenied: said so; signed with credentials from the environment\n"
            "  next:  check that these credentials may do this with this bucket and key");
  EXPECT_NE(text(http(404, "NoSuchBucket")).find("there is no such bucket"), std::string::npos);
  EXPECT_NE(text(broken(AWS_IO_SOCKET_CONNECTION_REFUSED)).find("(at http://10.0.0.1:9000, 61 tries)"), std::string::npos);
  Answer skewed = broken(AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED);
  skewed.hopeless = true;
  EXPECT_NE(text(skewed).find("next:  set the clock"), std::string::npos);
  Answer distrusted = broken(AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE);
  distrusted.hopeless = true;
  EXPECT_NE(text(distrusted).find("METAFLOW_S3_VERIFY_CERTIFICATE"), std::string::npos);
}

TEST(Etag, IsAnMd5OnlySometimes) {
  Md5Together together{1};
  const auto fits = [&](std::string_view bytes, const Answer& answer) {
    Md5Together::Expected md5{together};
    return fits_etag(bytes, answer, md5);
  };
  Answer answer = http(200);
  answer.headers["etag"] = "\"5d41402abc4b2a76b9719d911017c592\"";
  EXPECT_TRUE(fits("hello", answer));
  EXPECT_FALSE(fits("hellp", answer));
  answer.headers["x-amz-server-side-encryption"] = "AES256";
  EXPECT_FALSE(fits("hellp", answer));
  answer.headers["x-amz-server-side-encryption"] = "aws:kms";
  EXPECT_TRUE(fits("hellp", answer));
  Answer parts = http(200);
  parts.headers["etag"] = "\"5d41402abc4b2a76b9719d911017c592-3\"";
  EXPECT_TRUE(fits("hellp", parts));
}

}  // namespace
}  // namespace headrace::s3
