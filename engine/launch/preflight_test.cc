#include "launch/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

using codec::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json review(const char* rules, bool incomplete = false) {
  return Json{{"status", {{"incomplete", incomplete}, {"resourceRules", Json::parse(rules)}}}};
}

constexpr const char* kLeast = R"([
  {"verbs": ["create", "get", "list", "watch", "delete", "deletecollection"], "apiGroups": [""], "resources": ["pods"]},
  {"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]},
  {"verbs": ["create", "get"], "apiGroups": [""], "resources": ["configmaps"]},
  {"verbs": ["create", "get", "patch", "delete"], "apiGroups": ["batch"], "resources": ["jobs"]}])";

std::vector<std::string> missing(const Json& json) {
  std::vector<std::string> names;
  for (const Right& right : rights_missing(json)) names.push_back(right.verb + " " + right.resource);
  return names;
}

TEST(Rights, TheLeastAreEnough) {
  EXPECT_THAT(missing(review(kLeast)), IsEmpty());
  EXPECT_THAT(missing(review(R"([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])")), IsEmpty());
}

TEST(Rights, EachThatIsMissingIsNamed) {
  Json one = review(kLeast);
  one["status"]["resourceRules"].erase(3);
  EXPECT_THAT(missing(one), ::testing::ElementsAre("create jobs", "get jobs", "patch jobs", "delete jobs"));
  // A create whose answer was lost is told apart by looking at the pod of that name.
  one = review(kLeast);
  one["status"]["resourceRules"][0]["verbs"] = Json::array({"create", "list", "watch", "delete", "deletecollection"});
  EXPECT_THAT(missing(one), ::testing::ElementsAre("get pods"));
  one = review(kLeast);
  one["status"]["resourceRules"][1]["resources"] = Json::array({"*/log"});
  EXPECT_THAT(missing(one), IsEmpty());
  // A rule for one named object is none for making others; the right group counts.
  one["status"]["resourceRules"][2]["resourceNames"] = Json::array({"mine"});
  one["status"]["resourceRules"][3]["apiGroups"] = Json::array({"apps"});
  EXPECT_EQ(missing(one).size(), 6u);
}

TEST(Rights, AnIncompleteReviewProvesNothing) {
  EXPECT_THAT(missing(review("[]", true)), IsEmpty());
  EXPECT_EQ(missing(review("[]")).size(), rights_needed().size());
  EXPECT_THAT(missing(Json()), IsEmpty());
}

TEST(Quota, ToldApartByWhetherItEverFits) {
  auto full = quota_refusal(R"(pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=1,requests.memory=4096M, used: requests.cpu=2,requests.memory=60G, limited: requests.cpu=2,requests.memory=64G)");
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->can_fit);
  EXPECT_THAT(full->words, ::testing::StartsWith("exceeded quota: q, requested: requests.cpu=1"));
  auto never = quota_refusal(R"(exceeded quota: q, requested: requests.cpu=1,requests.memory=65G, used: requests.cpu=0,requests.memory=0, limited: requests.cpu=2,requests.memory=64G)");
  ASSERT_TRUE(never);
  EXPECT_FALSE(never->can_fit);
  EXPECT_FALSE(quota_refusal("pods \"x\" is forbidden: violates PodSecurity"));
}

TEST(PodRefusal, SaysWhatRefusedAndWhatToDo) {
  struct Row {
    const char* message;
    const char* next;
  };
  const Row rows[] = {
      {R"(pods "x" is forbidden: exceeded quota: q, requested: pods=2, used: pods=0, limited: pods=1)", "larger quota"},
      {R"(pods "x" is forbidden: failed quota: q: must specify limits.cpu for: work)", "qos=\"guaranteed\""},
      {R"(pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4096M)", "LimitRange"},
      {R"(pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged)", "security_context"},
      {R"(pods "x" is forbidden: error looking up service account ml/none: serviceaccount "none" not found)", "service_account"},
      {R"(admission webhook "policy.example" denied the request: no owner label)", "this policy"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.message);
    Error error = pod_refusal("work", Error{.kind = Kind::denied, .what = "create pods", .next = "have the right"}, row.message);
    EXPECT_EQ(error.kind, Kind::misuse);
    EXPECT_THAT(error.what, HasSubstr("step `work`"));
    EXPECT_THAT(error.next, HasSubstr(row.next));
    EXPECT_NE(error.why, "");
  }
  Error right = pod_refusal("work", Error{.kind = Kind::denied, .what = "create pods", .why = "w", .next = "have the right"},
                            R"(pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ml")");
  EXPECT_EQ(right.kind, Kind::denied);
  EXPECT_EQ(right.next, "have the right");
}

TEST(Unplaceable, IsAnErrorWithNumbers) {
  wire::PodSettings settings;
  PodStep step{.step = "work", .settings = &settings};
  EXPECT_FALSE(unplaceable(step, Placement{.nodes = 1, .usable = 1, .large_enough = 1}));
  auto error = unplaceable(step, Placement{.nodes = 1, .reason = "r", .advice = "a"});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, Kind::misuse);
  EXPECT_EQ(error->why, "r");
  EXPECT_EQ(error->next, "a");
}

}  // namespace
}  // namespace headrace::launch
