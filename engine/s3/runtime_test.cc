#include "s3/runtime.h"

#include <gtest/gtest.h>

#include "s3/ca_roots.h"

namespace headrace::s3 {
namespace {

TEST(Runtime, PublicAuthoritiesAreBuiltIn) {
  EXPECT_GT(built_in_ca_roots().size(), 100'000U);
  EXPECT_NE(built_in_ca_roots().find("-----BEGIN CERTIFICATE-----"), std::string_view::npos);
  start_library();
  aws_tls_ctx_options options{};
  aws_tls_ctx_options_init_default_client(&options, aws_default_allocator());
  const aws_byte_cursor roots = cursor(built_in_ca_roots());
  ASSERT_EQ(aws_tls_ctx_options_override_default_trust_store(&options, &roots), AWS_OP_SUCCESS);
  const Held<aws_tls_ctx, aws_tls_ctx_release> tls{aws_tls_client_ctx_new(aws_default_allocator(), &options)};
  EXPECT_NE(tls, nullptr);
  aws_tls_ctx_options_clean_up(&options);
}

TEST(Runtime, ACaFileThatCannotBeUsedIsNamed) {
  for (const char* file : {"/nonexistent/ca.pem", "/proc/self/status"}) {
    Settings settings;
    settings.ca_file = file;
    auto runtime = Runtime::make(settings);
    ASSERT_FALSE(runtime.ok()) << file;
    EXPECT_EQ(runtime.error().kind, Kind::misuse);
    EXPECT_NE(runtime.error().what.find(file), std::string::npos);
    EXPECT_FALSE(runtime.error().next.empty());
  }
}

}  // namespace
}  // namespace headrace::s3
