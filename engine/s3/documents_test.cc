#include "s3/documents.h"

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

TEST(Documents, AListHasObjectsAndPrefixes) {
  auto page = read_list(R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%2F</Prefix><KeyCount>2</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>to&amp;ken</NextContinuationToken>
<Contents><Key>a/x+y%2Bz</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>12</Size></Contents>
<CommonPrefixes><Prefix>a/b%C3%BC/</Prefix></CommonPrefixes></ListBucketResult>)");
  ASSERT_TRUE(page.ok()) << to_text(page.error());
  ASSERT_EQ(page->entries.size(), 2U);
  EXPECT_EQ(page->entries[0].key, "a/x y+z");
  EXPECT_EQ(page->entries[0].size, 12U);
  EXPECT_EQ(page->entries[0].etag, "\"abc\"");
  EXPECT_EQ(epoch_ms(*page->entries[0].last_modified), 1767323045678);
  EXPECT_FALSE(page->entries[0].prefix);
  EXPECT_EQ(page->entries[1].key, "a/bü/");
  EXPECT_TRUE(page->entries[1].prefix);
  EXPECT_EQ(page->next, "to&ken");
}

TEST(Documents, ACutOrForeignListIsAnError) {
  const std::string whole = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>";
  ASSERT_TRUE(read_list(whole).ok());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(read_list(std::string_view{whole}.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(read_list("<html><body>proxy</body></html>").ok());
  EXPECT_FALSE(read_list("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").ok());
}

TEST(Documents, ErrorsHaveCodeMessageAndRegion) {
  const auto error = read_error("<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message>"
                                "<Region>eu-west-1</Region></Error>");
  EXPECT_EQ(error.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error.message, "expecting 'eu-west-1'");
  EXPECT_EQ(error.region, "eu-west-1");
  EXPECT_EQ(read_error("").code, "");
  EXPECT_EQ(read_error("<html></html>").code, "");
  EXPECT_EQ(read_error("<Error><Code>SlowDo").code, "");
}

TEST(Documents, EscapingIsUndone) {
  for (const std::string text : {"a/b", "a b+c%", "ü/ö?&=#", "plain"}) {
    EXPECT_EQ(unescape(escape_path(text)), text);
    EXPECT_EQ(unescape(escape_query(text)), text);
  }
  EXPECT_EQ(escape_path("a b/c"), "a%20b/c");
  EXPECT_EQ(escape_query("a/b"), "a%2Fb");
  EXPECT_EQ(unescape("100%"), "100%");
}

TEST(Documents, TimesOfHeadersAndLists) {
  EXPECT_EQ(epoch_ms(*read_time("Fri, 02 Jan 2026 03:04:05 GMT")), 1767323045000);
  EXPECT_EQ(epoch_ms(*read_time("2026-01-02T03:04:05.000Z")), 1767323045000);
  EXPECT_EQ(read_time("yesterday"), std::nullopt);
  EXPECT_EQ(read_time(""), std::nullopt);
}

TEST(Documents, AnUploadHasAnIdAndEndsInAnEtag) {
  EXPECT_EQ(read_upload_id("<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>"), "a&b");
  EXPECT_EQ(read_upload_id("<Error><UploadId>x</UploadId></Error>"), "");
  EXPECT_EQ(read_upload_id(""), "");
  EXPECT_EQ(read_upload_etag("<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>"), "\"e-2\"");
}

TEST(Documents, PartsAreToldByNumber) {
  EXPECT_EQ(write_parts({{.etag = "\"a\"", .crc = "AB=="}, {.etag = "<b&", .crc = ""}}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><ChecksumCRC32C>AB==</ChecksumCRC32C><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber></Part>"
            "<Part><ETag>&lt;b&amp;</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>");
}

}  // namespace
}  // namespace headrace::s3
