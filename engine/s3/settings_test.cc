#include "s3/settings.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace headrace::s3 {
namespace {

/// Sets variables for one test, all others that matter being unset.
class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      before_.push_back(value == nullptr ? "" : value);
      ::unsetenv(name);
    }
  }
  ~SettingsTest() override {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      ::unsetenv(kNames[i]);
      if (!before_[i].empty()) ::setenv(kNames[i], before_[i].c_str(), 1);
    }
  }

  static constexpr const char* kNames[] = {
      "METAFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE",
      "REQUESTS_CA_BUNDLE", "METAFLOW_S3_VERIFY_CERTIFICATE", "METAFLOW_S3_SERVER_SIDE_ENCRYPTION", "HEADRACE_S3_PATH_STYLE",
      "HEADRACE_S3_ANONYMOUS", "AWS_REQUEST_CHECKSUM_CALCULATION", "HEADRACE_S3_MEMORY_MB", "HEADRACE_S3_MAX_GBPS",
      "HEADRACE_S3_MAX_CONNECTIONS", "HEADRACE_S3_PATIENCE_S", "HEADRACE_S3_STALL_S"};

 private:
  std::vector<std::string> before_;
};

TEST_F(SettingsTest, NothingSetIsAwsItself) {
  auto settings = Settings::from_environment();
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->endpoint, "");
  EXPECT_EQ(settings->path_style, std::nullopt);
  EXPECT_FALSE(settings->anonymous);
  EXPECT_TRUE(settings->verify);
  EXPECT_GE(settings->patience, 10min);
}

TEST_F(SettingsTest, MetaflowsEndpointComesFirst) {
  ::setenv("AWS_ENDPOINT_URL", "http://general:1", 1);
  EXPECT_EQ(Settings::from_environment()->endpoint, "http://general:1");
  ::setenv("AWS_ENDPOINT_URL", "http://general:1//", 1);
  EXPECT_EQ(Settings::from_environment()->endpoint, "http://general:1");
  ::setenv("AWS_ENDPOINT_URL_S3", "http://s3:2", 1);
  EXPECT_EQ(Settings::from_environment()->endpoint, "http://s3:2");
  ::setenv("METAFLOW_S3_ENDPOINT_URL", "https://metaflow:3", 1);
  EXPECT_EQ(Settings::from_environment()->endpoint, "https://metaflow:3");
}

TEST_F(SettingsTest, LimitsAreRead) {
  ::setenv("HEADRACE_S3_MEMORY_MB", "128", 1);
  ::setenv("HEADRACE_S3_MAX_GBPS", "2.5", 1);
  ::setenv("HEADRACE_S3_MAX_CONNECTIONS", "7", 1);
  ::setenv("HEADRACE_S3_PATIENCE_S", "20", 1);
  ::setenv("METAFLOW_S3_VERIFY_CERTIFICATE", "/etc/our-ca.pem", 1);
  auto settings = Settings::from_environment();
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->memory_max, 128U << 20);
  EXPECT_EQ(settings->gbps_max, 2.5);
  EXPECT_EQ(settings->connections_max, 7);
  EXPECT_EQ(settings->patience, 20s);
  EXPECT_EQ(settings->ca_file, "/etc/our-ca.pem");
  EXPECT_TRUE(settings->verify);
  ::setenv("METAFLOW_S3_VERIFY_CERTIFICATE", "False", 1);
  EXPECT_FALSE(Settings::from_environment()->verify);
}

TEST_F(SettingsTest, WhatCannotBeUsedIsNamed) {
  const std::pair<const char*, const char*> wrong[] = {{"AWS_ENDPOINT_URL_S3", "minio:9000"}, {"AWS_ENDPOINT_URL_S3", "https://host/storage/s3"}, {"HEADRACE_S3_MEMORY_MB", "1"},
                                                       {"HEADRACE_S3_MAX_GBPS", "fast"},      {"HEADRACE_S3_MAX_CONNECTIONS", "0"},
                                                       {"HEADRACE_S3_ANONYMOUS", "perhaps"},  {"HEADRACE_S3_PATIENCE_S", "10m"}};
  for (const auto& [name, value] : wrong) {
    ::setenv(name, value, 1);
    auto settings = Settings::from_environment();
    ASSERT_FALSE(settings.ok()) << name;
    EXPECT_EQ(settings.error().kind, Kind::misuse);
    EXPECT_NE(settings.error().what.find(name), std::string::npos);
    ::unsetenv(name);
  }
}

}  // namespace
}  // namespace headrace::s3
