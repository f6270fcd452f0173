#include "codec/json.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

Json parsed(std::string_view text) { return parse_json(text, "test").value(); }

// Expected texts: Python's json.dumps.
TEST(Json, DumpsAsPython) {
  EXPECT_EQ(dump_json(parsed(R"({"b":1,"a":[true,null,"x"],"c":{}})")), R"({"b": 1, "a": [true, null, "x"], "c": {}})");
  EXPECT_EQ(dump_json(Json::array()), "[]");
  EXPECT_EQ(dump_json(Json("")), R"("")");
  EXPECT_EQ(dump_json(Json("a\"\\/\b\f\n\r\t\x01\x7f")), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\"");
  EXPECT_EQ(dump_json(Json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), R"("\u00e4\u20ac\ud83d\ude00")");
  EXPECT_EQ(dump_json(Json("a\xff")), R"("a\udcff")");
  EXPECT_EQ(dump_json(Json(-5)), "-5");
  EXPECT_EQ(dump_json(Json(std::uint64_t{18446744073709551615u})), "18446744073709551615");
}

TEST(Json, DumpsFloatsAsPython) {
  const std::pair<double, const char*> cases[] = {
      {1767323045.123456, "1767323045.123456"}, {0.1, "0.1"}, {1.0, "1.0"}, {-0.0, "-0.0"}, {0.0, "0.0"}, {1e16, "1e+16"},
      {1e15, "1000000000000000.0"}, {123456.0, "123456.0"}, {0.0001, "0.0001"}, {0.00001, "1e-05"}, {1.5e-7, "1.5e-07"},
      {1e100, "1e+100"}, {1.7976931348623157e308, "1.7976931348623157e+308"}, {5e-324, "5e-324"}, {-12.5, "-12.5"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(dump_json(Json(value)), text);
  EXPECT_EQ(python_float(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(python_float(-std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(python_float(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(Json, HalvesOfPairsAreReadAsPythonWritesThem) {
  EXPECT_EQ(parsed(R"("caf\udce9")"), Json("caf\xef\xbf\xbd"));
  EXPECT_EQ(parsed(R"({"\uD83D": ["\ud83d\ude00", "\ud83d\ud83d\ude00"]})"),
            (Json{{"\xef\xbf\xbd", {"\xf0\x9f\x98\x80", "\xef\xbf\xbd\xf0\x9f\x98\x80"}}}));
  EXPECT_EQ(parsed(R"(["\\udce9", "\udce9"])"), (Json{"\\udce9", "\xef\xbf\xbd"}));
  EXPECT_EQ(parsed(dump_json(Json("a\xff"))), Json("a\xef\xbf\xbd"));
  for (const char* text : {R"("\udce)", R"("\ud83d)", R"("\ud83d\)", "\\udce9", R"("\udce9" 1)"}) EXPECT_FALSE(parse_json(text, "x").ok()) << text;
}

TEST(Json, SaysWhatIsWrongWithAText) {
  auto bad = parse_json("{\"a\": }", "file x");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, Kind::failed);
  EXPECT_EQ(bad.error().where, "file x");
  EXPECT_NE(bad.error().why.find("(byte 7)"), std::string::npos) << bad.error().why;
  EXPECT_FALSE(parse_json("", "x").ok());
  EXPECT_FALSE(parse_json("1 2", "x").ok());
  EXPECT_FALSE(parse_json("\"\xff\"", "x").ok());
}

TEST(Json, RefusesDeepNesting) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax), "x").ok());
  auto deep = parse_json(nested(kJsonDepthMax + 1), "x");
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.error().why, "it is nested deeper than 200");
  EXPECT_FALSE(parse_json(std::string(1'000'000, '['), "x").ok());
}

TEST(Json, GettersGiveTheField) {
  const Json object = parsed(R"({"s":"t","i":-3,"u":9223372036854775808,"n":1.5,"b":true,"l":["a","b"],"o":{"x":1},"z":null})");
  EXPECT_EQ(get_string(object, "s").value(), "t");
  EXPECT_EQ(get_int(object, "i").value(), -3);
  EXPECT_EQ(get_uint(object, "u").value(), 9223372036854775808u);
  EXPECT_EQ(get_number(object, "n").value(), 1.5);
  EXPECT_EQ(get_number(object, "i").value(), -3.0);
  EXPECT_TRUE(get_bool(object, "b").value());
  EXPECT_EQ(get_strings(object, "l").value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(get_int(*get_object(object, "o").value(), "x").value(), 1);
  EXPECT_EQ(get_array(object, "l").value()->size(), 2u);
  EXPECT_TRUE(get_any(object, "z").value()->is_null());
  EXPECT_EQ(find_string(object, "s").value(), "t");
  EXPECT_EQ(find_string(object, "absent").value(), std::nullopt);
  EXPECT_EQ(find_int(object, "z").value(), std::nullopt);
  EXPECT_EQ(find_uint(object, "u").value(), 9223372036854775808u);
  EXPECT_EQ(find_uint(object, "z").value(), std::nullopt);
  EXPECT_EQ(find_number(object, "i").value(), -3.0);
  EXPECT_EQ(find_number(object, "absent").value(), std::nullopt);
  EXPECT_EQ(find_bool(object, "b").value(), true);
  EXPECT_EQ(find_object(object, "z").value(), nullptr);
}

TEST(Json, GettersSayWhatIsThereInstead) {
  const Json object = parsed(R"({"s":"t","i":-3,"u":9223372036854775808,"l":["a",1]})");
  EXPECT_EQ(get_int(object, "s").error().what, "the field `s` is not a whole number");
  EXPECT_EQ(get_int(object, "s").error().why, "it is a text");
  EXPECT_EQ(get_string(object, "absent").error().what, "the field `absent` is not there");
  EXPECT_FALSE(get_int(object, "u").ok());
  EXPECT_FALSE(get_uint(object, "i").ok());
  EXPECT_FALSE(get_strings(object, "l").ok());
  EXPECT_FALSE(find_string(object, "i").ok());
  EXPECT_FALSE(find_uint(object, "i").ok());
  EXPECT_FALSE(find_number(object, "s").ok());
  EXPECT_FALSE(find_string(Json::array(), "i").ok());
  EXPECT_FALSE(get_any(Json(1), "i").ok());
}

}  // namespace
}  // namespace headrace::codec
