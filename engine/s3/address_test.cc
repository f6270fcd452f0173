#include "s3/address.h"

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

TEST(Address, BucketAndKeyAreTakenApart) {
  EXPECT_EQ(*parse_address("s3://flows/a/b c/ü"), (Address{.bucket = "flows", .key = "a/b c/ü"}));
  EXPECT_EQ(*parse_address("s3://flows"), (Address{.bucket = "flows", .key = ""}));
  EXPECT_EQ(*parse_address("s3://flows/"), (Address{.bucket = "flows", .key = ""}));
  EXPECT_EQ(*parse_address("s3://flows//x"), (Address{.bucket = "flows", .key = "x"})) << "as for Metaflow";
  EXPECT_EQ(*parse_address("s3://flows//"), (Address{.bucket = "flows", .key = ""}));
  EXPECT_EQ(parse_address("s3://flows/a/b")->str(), "s3://flows/a/b");
}

TEST(Address, WhatIsNoAddressIsRefused) {
  for (const char* url : {"", "s3:/flows/a", "flows/a", "gs://flows/a", "s3://", "s3:///key", "s3://a b/key", "s3://x/key"}) {
    auto address = parse_address(url);
    ASSERT_FALSE(address.ok()) << url;
    EXPECT_EQ(address.error().kind, Kind::misuse);
    EXPECT_NE(address.error().what.find(url), std::string::npos);
    EXPECT_FALSE(address.error().why.empty());
  }
}

}  // namespace
}  // namespace headrace::s3
