#include "wire/pod_settings.h"

#include <gtest/gtest.h>

namespace headrace::wire {
namespace {

TEST(PodSettings, WhatIsAbsentHasItsDefault) {
  const auto pod = parse_pod_settings(codec::Json{{"image", "python:3.11"}});
  ASSERT_TRUE(pod.ok()) << to_text(pod.error());
  EXPECT_EQ(*pod, (PodSettings{.image = "python:3.11"}));
  EXPECT_EQ(pod->time_limit_s, 432'000);
  EXPECT_EQ(pod->memory_mb, "4096");
}

TEST(PodSettings, WhatIsWrittenIsReadBack) {
  const PodSettings pod{.image = "img",
                        .image_pull_policy = "Always",
                        .namespace_ = "foo",
                        .cpu = "4.0",
                        .gpu = "0",
                        .qos = "guaranteed",
                        .executable = "python3.9",
                        .secrets = {"a", "b"},
                        .labels = {{"k", ""}},
                        .persistent_volume_claims = {{"claim", "/mnt"}},
                        .tolerations = codec::Json::array({codec::Json{{"key", "x"}}}),
                        .security_context = codec::Json{{"run_as_user", 7}},
                        .tmpfs_size_mib = 100,
                        .tmpfs_tempdir = false,
                        .time_limit_s = 60};
  const auto again = parse_pod_settings(to_json(pod));
  ASSERT_TRUE(again.ok()) << to_text(again.error());
  EXPECT_EQ(*again, pod);
}

TEST(PodSettings, RefusesWithTheNameOfTheField) {
  const auto refusal = [](codec::Json json) {
    const auto pod = parse_pod_settings(json);
    return pod ? "accepted" : pod.error().what;
  };
  EXPECT_EQ(refusal({{"cpu", "1"}}), "the field `image` is not there");
  EXPECT_EQ(refusal({{"image", ""}}), "`image` is empty");
  EXPECT_EQ(refusal({{"image", "i"}, {"qos", "best"}}), "`qos` is `best`");
  EXPECT_EQ(refusal({{"image", "i"}, {"port", 0}}), "`port` is 0");
  EXPECT_EQ(refusal({{"image", "i"}, {"time_limit_s", 0}}), "`time_limit_s` is 0");
  EXPECT_NE(refusal({{"image", "i"}, {"labels", {{"k", 1}}}}).find("`k`"), std::string::npos);
}

}  // namespace
}  // namespace headrace::wire
