#include "codec/json_path.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

TEST(JsonPath, GivesWhatIsThere) {
  const Json json = Json::parse(R"({"a": {"b": "text", "n": 3}, "list": [1]})");
  EXPECT_EQ(text_at(json, {"a", "b"}), "text");
  EXPECT_EQ(value_at(json, {"a", "n"}), 3);
  EXPECT_EQ(value_at(json, "list").size(), 1u);
  EXPECT_EQ(text_at(json["a"], "b"), "text");
  EXPECT_EQ(&value_at(json, {}), &json);
}

TEST(JsonPath, GivesNothingForWhatIsMissingOrAnotherThing) {
  const Json json = Json::parse(R"({"a": {"n": 3}, "list": [1], "null": null})");
  for (const char* name : {"x", "null"}) EXPECT_TRUE(value_at(json, name).is_null()) << name;
  EXPECT_TRUE(value_at(json, {"a", "n", "deeper"}).is_null());
  EXPECT_TRUE(value_at(json, {"list", "a"}).is_null());
  EXPECT_TRUE(value_at(Json("text"), "a").is_null());
  EXPECT_EQ(text_at(json, {"a", "n"}), "");
  EXPECT_EQ(text_at(Json(), "a"), "");
}

}  // namespace
}  // namespace headrace::codec
