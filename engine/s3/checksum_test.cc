#include "s3/checksum.h"

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

Answer with(const std::string& header, const std::string& value) {
  Answer answer;
  answer.body = "123456789";  // the check values of each CRC's definition are of these bytes
  answer.headers[header] = value;
  return answer;
}

TEST(Checksum, EachAlgorithmOfS3IsChecked) {
  const std::pair<std::string, std::string> given[] = {
      {"x-amz-checksum-crc32", "y/Q5Jg=="},
      {"x-amz-checksum-crc32c", "4waSgw=="},
      {"x-amz-checksum-crc64nvme", "rosUhgp5mIg="},
      {"x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
      {"x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
  };
  for (const auto& [header, value] : given) {
    EXPECT_EQ(check_body(with(header, value)), Checked::fits) << header;
    EXPECT_EQ(check_body(with(header, "AAAA" + value.substr(4))), Checked::differs) << header;
  }
}

TEST(Checksum, WhatIsOfPartsOrNotGivenSaysNothing) {
  EXPECT_EQ(check_body(with("x-amz-checksum-crc32", "y/Q5Jg==-3")), Checked::not_given);
  EXPECT_EQ(check_body(with("x-amz-checksum-type", "COMPOSITE")), Checked::not_given);
  EXPECT_EQ(check_body(Answer{}), Checked::not_given);
}

TEST(Checksum, ThatOfTheWholeComesOfThoseOfItsPieces) {
  for (const CrcKind kind : {CrcKind::crc32, CrcKind::crc32c, CrcKind::crc64nvme}) {
    Crc joined = crc_of(kind, "123");
    joined.append(crc_of(kind, "4567"));
    joined.append(crc_of(kind, ""));
    joined.append(crc_of(kind, "89"));
    EXPECT_EQ(joined.value, crc_of(kind, "123456789").value) << header_of(kind);
    EXPECT_EQ(joined.length, 9U);
    EXPECT_EQ(check_body(with(header_of(kind), crc_text(joined))), Checked::fits) << header_of(kind);
  }
}

}  // namespace
}  // namespace headrace::s3
