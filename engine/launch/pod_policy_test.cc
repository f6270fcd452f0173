#include "launch/pod_policy.h"

#include <map>

#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

Result<PodPolicy> policy_of(std::map<std::string, std::string> variables) {
  return pod_policy_from([&](const std::string& name) -> const char* {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(PodPolicy, WithoutVariablesItIsTheDefault) {
  auto policy = policy_of({});
  ASSERT_TRUE(policy.ok());
  EXPECT_TRUE(policy->limit_memory);
  EXPECT_FALSE(policy->lease);
  EXPECT_EQ(policy->keep_failed, Duration(1h));
  EXPECT_EQ(policy->tries_max, 4);
  EXPECT_EQ(policy->unplaceable, PodPolicy::Unplaceable::automatic);
  EXPECT_TRUE(policy->agent_file.empty());
}

TEST(PodPolicy, EachVariableIsRead) {
  auto policy = policy_of({{"HEADRACE_KUBERNETES_MEMORY_LIMIT", "none"},
                           {"HEADRACE_KUBERNETES_LEASE", "120"},
                           {"HEADRACE_KUBERNETES_START_LEASE", "30"},
                           {"HEADRACE_KUBERNETES_KEEP_FAILED", "0"},
                           {"HEADRACE_KUBERNETES_TRIES", "1"},
                           {"HEADRACE_KUBERNETES_IMAGE_TRIES", "7"},
                           {"HEADRACE_KUBERNETES_UNPLACEABLE", "warning"},
                           {"HEADRACE_AGENT", "/opt/headrace"}});
  ASSERT_TRUE(policy.ok());
  EXPECT_FALSE(policy->limit_memory);
  EXPECT_EQ(policy->lease, Duration(120s));
  EXPECT_EQ(policy->start_lease, Duration(30s));
  EXPECT_EQ(policy->keep_failed, Duration(0s));
  EXPECT_EQ(policy->tries_max, 1);
  EXPECT_EQ(policy->image_tries_max, 7);
  EXPECT_EQ(policy->unplaceable, PodPolicy::Unplaceable::warning);
  EXPECT_EQ(policy->agent_file, "/opt/headrace");
}

TEST(PodPolicy, AWrongValueNamesItsVariable) {
  const std::pair<const char*, const char*> cases[] = {{"HEADRACE_KUBERNETES_LEASE", "59"},
                                                       {"HEADRACE_KUBERNETES_LEASE", "5m"},
                                                       {"HEADRACE_KUBERNETES_LEASE", "99999999999999999999"},
                                                       {"HEADRACE_KUBERNETES_START_LEASE", "9"},
                                                       {"HEADRACE_KUBERNETES_KEEP_FAILED", "-1"},
                                                       {"HEADRACE_KUBERNETES_TRIES", "0"},
                                                       {"HEADRACE_KUBERNETES_IMAGE_TRIES", "many"},
                                                       {"HEADRACE_KUBERNETES_UNPLACEABLE", "perhaps"},
                                                       {"HEADRACE_KUBERNETES_MEMORY_LIMIT", "no"}};
  for (const auto& [name, value] : cases) {
    SCOPED_TRACE(std::string(name) + "=" + value);
    auto policy = policy_of({{name, value}});
    ASSERT_FALSE(policy.ok());
    EXPECT_EQ(policy.error().kind, Kind::misuse);
    EXPECT_NE(policy.error().what.find(name), std::string::npos);
    EXPECT_NE(policy.error().why.find(value), std::string::npos);
    EXPECT_NE(policy.error().next.find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace headrace::launch
