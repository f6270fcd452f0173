#include "store/manifest.h"

#include <gtest/gtest.h>

namespace headrace::store {
namespace {

constexpr const char* kKey = "868436778cb011a1c6230bc12534683ab0b7f1c3";

// As Metaflow 2.19.38 writes it, byte for byte.
constexpr const char* kMetaflows =
    R"({"datastore": "local", "version": "1.0", "attempt": 1, "python_version": "3.11.7 (main, May  9 2026, 07:35:25) [GCC 12.2.0]", )"
    R"("objects": {"_task_ok": "868436778cb011a1c6230bc12534683ab0b7f1c3", "items": "7c00c7c7911bdeac836854bf66c71ee1c55c760d"}, )"
    R"("info": {"_task_ok": {"size": 4, "type": "<class 'bool'>", "encoding": "pickle-v4", "serializer_info": {"source": "metaflow"}}, )"
    R"("items": {"size": 28, "type": "<class 'list'>", "encoding": "pickle-v4", "serializer_info": {"source": "metaflow"}}}})";

TEST(Manifest, MetaflowsBytesComeBackUnchanged) {
  auto manifest = parse_manifest(kMetaflows, "1.data.json");
  ASSERT_TRUE(manifest.ok()) << to_text(manifest.error());
  EXPECT_EQ(manifest->attempt, 1);
  ASSERT_EQ(manifest->artifacts.size(), 2U);
  EXPECT_EQ(manifest->find("items")->size, 28);
  EXPECT_EQ(manifest->find("none"), nullptr);
  EXPECT_EQ(to_json(*manifest), kMetaflows);
}

TEST(Manifest, TheWiresManifestIsObjectsAndInfo) {
  Manifest manifest;
  manifest.set({.name = "x", .key = BlobKey{kKey}, .size = 4, .type = "<class 'bool'>", .encoding = "pickle-v4"});
  EXPECT_EQ(to_wire(manifest), std::string{R"({"objects": {"x": ")"} + kKey +
                                   R"("}, "info": {"x": {"size": 4, "type": "<class 'bool'>", "encoding": "pickle-v4"}}})");
}

TEST(Manifest, OlderWritersLeaveThingsOut) {
  const std::string old = std::string{R"({"datastore": "local", "version": "1.0", "attempt": 0, "objects": {"x": ")"} + kKey +
                          R"(", "y": ")" + kKey + R"("}, "info": {"x": {"size": 4, "type": "<class 'bool'>"}}})";
  auto manifest = parse_manifest(old, "0.data.json");
  ASSERT_TRUE(manifest.ok()) << to_text(manifest.error());
  EXPECT_EQ(manifest->find("x")->encoding, "");
  EXPECT_EQ(manifest->find("x")->extra, "");
  EXPECT_EQ(manifest->find("y")->size, -1);
}

TEST(Manifest, SettingANameAgainReplacesItWhereItStands) {
  Manifest manifest;
  manifest.set({.name = "a", .key = BlobKey{"1"}});
  manifest.set({.name = "b", .key = BlobKey{"2"}});
  manifest.set({.name = "a", .key = BlobKey{"3"}});
  ASSERT_EQ(manifest.artifacts.size(), 2U);
  EXPECT_EQ(manifest.artifacts[0].key.str(), "3");
}

TEST(Manifest, SettingManyDoesAsSettingEach) {
  const std::string long_name(100, 'a');
  Manifest manifest;
  manifest.set_all({{.name = "a", .key = BlobKey{"1"}}, {.name = long_name, .key = BlobKey{"2"}}});
  manifest.set_all({});
  manifest.set_all({{.name = "b", .key = BlobKey{"3"}}, {.name = long_name, .key = BlobKey{"4"}}, {.name = "b", .key = BlobKey{"5"}}});
  std::string keys;
  for (const Artifact& artifact : manifest.artifacts) keys += artifact.key.str();
  EXPECT_EQ(keys, "145");
  const auto by_name = manifest.by_name();
  EXPECT_EQ(by_name.size(), 3U);
  EXPECT_EQ(by_name.at(long_name), &manifest.artifacts[1]);
}

TEST(Manifest, DamageIsNamedWithItsFile) {
  for (const char* json : {"", "{", "[]", "{}", R"({"objects": []})", R"({"objects": {"x": 1}})", R"({"objects": {"x": "../../etc/passwd"}})",
                           R"({"version": "2.0", "objects": {}})"}) {
    auto manifest = parse_manifest(json, "work/3/0.data.json");
    ASSERT_FALSE(manifest.ok()) << json;
    EXPECT_NE(to_text(manifest.error()).find("work/3/0.data.json"), std::string::npos);
    EXPECT_FALSE(manifest.error().why.empty());
  }
}

TEST(Manifest, NamesAndTypesAreEscapedAsPythonDoes) {
  Manifest manifest;
  manifest.python_version = "3.11\n\"x\"";
  manifest.set({.name = "gr\xc3\xb6\xc3\x9f" "e", .key = BlobKey{kKey}, .size = 1, .type = "<class '\xf0\x9f\x98\x80'>"});
  const std::string json = to_json(manifest);
  EXPECT_NE(json.find(R"("gr\u00f6\u00dfe")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"(\ud83d\ude00)"), std::string::npos) << json;
  auto again = parse_manifest(json, "x");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->artifacts, manifest.artifacts);
  EXPECT_EQ(again->python_version, manifest.python_version);
}

}  // namespace
}  // namespace headrace::store
