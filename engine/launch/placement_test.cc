#include "launch/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::launch {
namespace {

using codec::Json;
using ::testing::HasSubstr;

TEST(Quantity, ReadsWhatKubernetesWrites) {
  EXPECT_EQ(parse_quantity("2"), 2);
  EXPECT_EQ(parse_quantity("1500m"), 1.5);
  EXPECT_EQ(parse_quantity("6000.0M"), 6e9);
  EXPECT_EQ(parse_quantity("24684060Ki"), 24684060 * 1024.0);
  EXPECT_EQ(parse_quantity("1e3"), 1000);
  EXPECT_EQ(parse_quantity("2E"), 2e18);
  EXPECT_EQ(parse_quantity("0"), 0);
  for (const char* text : {"", "M", "1X", "1 M", "nan", "inf", "1Mi ", "--1"}) EXPECT_FALSE(parse_quantity(text)) << text;
}

NodeFacts node(const std::string& name, const char* cpu, const char* memory, const char* extra = "{}") {
  Json json{{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/arch", "amd64"}, {"pool", name}}}}},
            {"spec", Json::object()},
            {"status", {{"allocatable", {{"cpu", cpu}, {"memory", memory}, {"ephemeral-storage", "100G"}, {"pods", "110"}}}}}};
  json.merge_patch(Json::parse(extra));
  return read_node(json);
}

PodNeeds needs(const std::function<void(wire::PodSettings&)>& change = [](wire::PodSettings&) {}) {
  wire::PodSettings settings;
  change(settings);
  auto result = needs_of(settings, "amd64");
  EXPECT_TRUE(result.ok());
  return *result;
}

TEST(Placement, SaysWhatWouldFit) {
  std::vector<NodeFacts> nodes;
  for (int i = 0; i < 12; ++i) nodes.push_back(node("n" + std::to_string(i), "8", i == 3 ? "31000M" : "15000M"));
  Placement placement = place(needs([](auto& s) { s.memory_mb = "60000"; }), nodes);
  EXPECT_EQ(placement.usable, 12u);
  EXPECT_EQ(placement.large_enough, 0u);
  EXPECT_EQ(placement.reason, "it asks for 60000 MB of memory; the largest of 12 nodes has 31000 MB of memory allocatable");
  EXPECT_EQ(placement.advice, "lower @kubernetes(memory=...) to what fits, or add a larger node");

  placement = place(needs([](auto& s) { s.memory_mb = "30000.0"; }), nodes);
  EXPECT_EQ(placement.large_enough, 1u);
  EXPECT_EQ(placement.reason, "it fits on 1 of 12 nodes when others leave");
}

TEST(Placement, NamesEachResourceThatNoNodeHas) {
  const std::vector<NodeFacts> nodes{node("a", "1930m", "8G")};
  Placement placement = place(needs([](auto& s) { s.cpu = "4.0", s.memory_mb = "9000", s.gpu = "1"; }), nodes);
  EXPECT_THAT(placement.reason, HasSubstr("4 CPU; the only node has 1.93 CPU allocatable"));
  EXPECT_THAT(placement.reason, HasSubstr("9000 MB of memory; the only node has 8000 MB of memory allocatable"));
  EXPECT_THAT(placement.reason, HasSubstr("1 nvidia.com/gpu; the only node has 0 nvidia.com/gpu allocatable"));
}

TEST(Placement, SaysWhenOnlyTheSumIsTooMuch) {
  const std::vector<NodeFacts> nodes{node("a", "8", "1G"), node("b", "1", "64G")};
  Placement placement = place(needs([](auto& s) { s.cpu = "4", s.memory_mb = "32000"; }), nodes);
  EXPECT_EQ(placement.large_enough, 0u);
  EXPECT_THAT(placement.reason, HasSubstr("4 CPU, 10240 MB of disk, 32000 MB of memory; each of these fits on some node, but no node of 2"));
}

TEST(Placement, CountsOnlyNodesThatMayTakeIt) {
  const std::vector<NodeFacts> nodes{
      node("a", "8", "64G"), node("b", "8", "64G", R"({"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}})"),
      node("c", "8", "64G", R"({"spec": {"unschedulable": true}})"),
      node("d", "8", "64G", R"({"metadata": {"labels": {"kubernetes.io/arch": "arm64"}}})"),
      node("e", "8", "64G", R"({"spec": {"taints": [{"key": "x", "effect": "PreferNoSchedule"}]}})")};
  EXPECT_EQ(place(needs(), nodes).large_enough, 2u);
  auto tolerating = [](const char* text) { return [text](auto& s) { s.tolerations = Json::parse(text); }; };
  EXPECT_EQ(place(needs(tolerating(R"([{"key": "gpu", "operator": "Equal", "value": "yes"}])")), nodes).large_enough, 3u);
  EXPECT_EQ(place(needs(tolerating(R"([{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}])")), nodes).large_enough, 2u);
  EXPECT_EQ(place(needs(tolerating(R"([{"operator": "Exists"}])")), nodes).large_enough, 3u);
  Placement nowhere = place(needs([](auto& s) { s.node_selector = {{"pool", "c"}}; }), nodes);
  EXPECT_EQ(nowhere.usable, 0u);
  EXPECT_THAT(nowhere.reason, HasSubstr("none of 5 nodes may take it: 4 do not match its node selector"));
  EXPECT_THAT(nowhere.reason, HasSubstr("1 are cordoned"));
  EXPECT_THAT(nowhere.advice, HasSubstr("node_selector"));
}

TEST(Placement, AnAmountThatIsNoneIsRefused) {
  wire::PodSettings settings;
  settings.cpu = "many";
  auto result = needs_of(settings, "amd64");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, Kind::misuse);
}

TEST(Placement, KarpenterShowsItself) {
  EXPECT_FALSE(shows_autoscaler({node("a", "1", "1G")}));
  EXPECT_TRUE(shows_autoscaler({node("a", "1", "1G", R"({"metadata": {"labels": {"karpenter.sh/nodepool": "x"}}})")}));
}

}  // namespace
}  // namespace headrace::launch
